//! Cursor tokens: any cursor survives, and no text makes the parser panic.

use lastmile_edge::cursor::{Cursor, MAX_BYTES, MAX_STREAMS, Place, Tag, encode, join};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::arbitrary::unrecorded;

fn place() -> impl Strategy<Value = Place> {
    prop_oneof![
        9 => vec(any::<u8>(), 0..20).prop_map(Place::After),
        1 => Just(Place::End),
    ]
}

proptest! {
    #![proptest_config(unrecorded())]

    #[test]
    fn every_place_of_a_joined_token_survives(places in vec(place(), 1..12), method in ".*") {
        let streams: Vec<(Tag, Place)> =
            places.into_iter().enumerate().map(|(index, place)| (Tag::new(&method, &[index as u8]), place)).collect();
        let texts: Vec<String> = streams.iter().map(|(tag, place)| encode(tag, place)).collect();
        let text = join(texts.iter().map(String::as_str));
        // It stands in an SSE line, a header and a query.
        prop_assert!(text.bytes().all(|b| b.is_ascii_graphic() && !b"&#+\"<>".contains(&b)), "{}", text);
        let Ok(Cursor::Token(token)) = Cursor::parse(&text) else { panic!("{text}") };
        for (tag, place) in &streams {
            prop_assert_eq!(token.place(tag), Some(place));
        }
        prop_assert_eq!(token.place(&Tag::new(&method, b"another request")), None);
    }

    #[test]
    fn no_text_is_half_a_token(text in prop_oneof![".*", "lm1\\.[A-Za-z0-9_~.%$ -]{0,40}", "(lm1\\.AAAAAAAAAAA\\.[0-9a-f%$]{0,4}~?){1,3}"]) {
        match Cursor::parse(&text) {
            Ok(Cursor::Raw(raw)) => {
                prop_assert!(!text.starts_with("lm1."));
                prop_assert_eq!(raw, text.into_bytes());
            }
            Ok(Cursor::Token(_)) => prop_assert!(text.starts_with("lm1.")),
            Err(_) => prop_assert!(text.starts_with("lm1.")),
        }
    }

    #[test]
    fn a_tag_tells_method_and_request_apart(a in "[a-c]{0,3}", b in "[a-c]{0,3}", x in vec(any::<u8>(), 0..3), y in vec(any::<u8>(), 0..3)) {
        prop_assert_eq!(Tag::new(&a, &x) == Tag::new(&b, &y), a == b && x == y);
    }
}

#[test]
fn a_token_has_limits() {
    let tokens = |count: usize| join(vec!["lm1.AAAAAAAAAAA.1"; count]);
    assert!(Cursor::parse(&tokens(MAX_STREAMS)).is_ok());
    assert!(Cursor::parse(&tokens(MAX_STREAMS + 1)).is_err());
    let long = |bytes: usize| format!("lm1.AAAAAAAAAAA.{}", "1".repeat(bytes - 16));
    assert!(Cursor::parse(&long(MAX_BYTES)).is_ok());
    assert!(Cursor::parse(&long(MAX_BYTES + 1)).is_err());
}
