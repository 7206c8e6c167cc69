//! JSON to bytes, for any text: prost-reflect reads the same, nothing panics, and what was written reads back.

use lastmile_edge::transcode::{self, ReadOptions};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use prost::Message;
use prost_reflect::{DynamicMessage, ReflectMessage};

use crate::arbitrary::{Sample, sample, unrecorded};
use crate::reading::{ignoring, read_with};
use crate::scramble::{ordered, scrambled};
use crate::shop::shop;

proptest! {
    #![proptest_config(unrecorded())]

    /// JSON of prost-reflect, with one token or byte changed: read by both to the same, or refused by both.
    #[test]
    fn reads_what_the_oracle_reads(message in sample("Kinds"), at in any::<Index>(), token in token()) {
        let json = serde_json::to_string(&message.0).expect("JSON");
        let json = changed(&json, at, &token);
        let ours = read_with(shop(), "shop.v1.Kinds", ReadOptions::default(), json.as_bytes());
        let mut deserializer = serde_json::Deserializer::from_str(&json);
        let theirs = DynamicMessage::deserialize(message.0.descriptor(), &mut deserializer);
        let theirs = theirs.and_then(|message| deserializer.end().map(|()| message));
        match (ours, theirs) {
            (Ok(ours), Ok(theirs)) => prop_assert_eq!(again(ours), again(theirs), "{}", json),
            (Err(error), Ok(_)) => prop_assert!(is_let_through(error.message()), "{}: {}", error, json),
            // Enum numbers as `1e2`.
            (Ok(_), Err(error)) => {
                prop_assert!(error.to_string().contains("invalid type: floating point"), "{}: {}", error, json);
            }
            (Err(_), Err(_)) => {}
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..200)) {
        if let Err(error) = read_with(shop(), "shop.v1.Kinds", ReadOptions::default(), &bytes) {
            prop_assert_eq!(error.http_status(), 400);
        }
    }

    /// Text out of the parts of JSON.
    #[test]
    fn any_text_is_read_or_refused(tokens in vec(token(), 0..30)) {
        let text = tokens.concat();
        for options in [ReadOptions::default(), ignoring()] {
            if let Err(error) = read_with(shop(), "shop.v1.Kinds", options, text.as_bytes()) {
                prop_assert_eq!(error.http_status(), 400);
            }
        }
    }

    #[test]
    fn written_and_read_again_it_is_the_same(message in sample("Jumbled")) {
        let (plan, id) = (&shop().plan, shop().plan.find("shop.v1.Jumbled").expect("a type"));
        let (mut json, mut bytes, mut again) = (Vec::new(), Vec::new(), Vec::new());
        transcode::write_json(plan, id, &message.0.encode_to_vec(), &mut json).expect("JSON");
        transcode::read_json(plan, id, ReadOptions::default(), &json, &mut bytes).expect("a message");
        transcode::write_json(plan, id, &bytes, &mut again).expect("JSON");
        prop_assert_eq!(String::from_utf8(json), String::from_utf8(again));
    }

    #[test]
    fn canonical_bytes_are_the_same_however_a_message_is_encoded(message in sample("Jumbled"), seed in any::<u64>()) {
        let (plan, id) = (&shop().plan, shop().plan.find("shop.v1.Jumbled").expect("a type"));
        let odd = scrambled(&message.0, seed);
        let canonical = transcode::canonical(plan, id, &ordered(&message.0)).expect("a message");
        let decoded = DynamicMessage::decode(message.0.descriptor(), canonical.as_slice()).expect("a message");
        prop_assert_eq!(Sample(decoded), message.again());
        let odd = transcode::canonical(plan, id, &odd).expect("a message");
        let json = |bytes: &[u8]| {
            let mut json = Vec::new();
            transcode::write_json(plan, id, bytes, &mut json).map(|()| String::from_utf8(json))
        };
        prop_assert_eq!(json(&odd), json(&canonical));
        let twice = transcode::canonical(plan, id, &odd).expect("a message");
        prop_assert_eq!(twice, odd);
    }
}

fn again(message: DynamicMessage) -> Sample {
    Sample(message).again()
}

/// Where prost-reflect reads what ProtoJSON forbids.
fn is_let_through(problem: &str) -> bool {
    ["given twice", "lowerCamelCase"].iter().any(|known| problem.contains(known))
}

/// A part of JSON, or of what some field takes.
fn token() -> impl Strategy<Value = String> {
    let tokens = [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "null",
        "true",
        "false",
        "0",
        "-1",
        "1.5",
        "1e2",
        "1e40",
        "1e-3",
        "2147483648",
        "\"\"",
        "\"1\"",
        "\"1.5\"",
        "\"text\"",
        "\"RED\"",
        "\"Infinity\"",
        "\"@type\"",
        "\"AQ==\"",
        "\"a_b\"",
        "\"1.5s\"",
        "\"2026-01-02T03:04:05Z\"",
        "\"2026-13-02T03:04:05Z\"",
        "\"\\ud800\"",
        "\"\\u0000\"",
        "\"word\":",
        "\"number\":",
        "\"child\":",
        "\"value\":",
        "\"any\":",
        "\"labels\":",
        "\"makersById\":",
        "{}",
        "[]",
        " ",
        "\u{1}",
    ];
    proptest::sample::select(tokens.to_vec()).prop_map(str::to_owned)
}

/// Replaces one token of the text.
fn changed(json: &str, at: Index, token: &str) -> String {
    let ends: Vec<usize> = json
        .char_indices()
        .filter(|(_, character)| "{}[],:".contains(*character))
        .flat_map(|(at, _)| [at, at + 1])
        .collect();
    if ends.len() < 2 {
        return token.to_owned();
    }
    let index = at.index(ends.len() - 1);
    format!("{}{token}{}", &json[..ends[index]], &json[ends[index + 1]..])
}

#[test]
fn of_a_oneof_only_its_last_member_is_canonical() {
    // `word` is field 19, `number` field 20, `maker` field 21 with `name` and `home_town`.
    let canonical = |bytes: &[u8]| {
        let id = shop().plan.find("shop.v1.Kinds").expect("a type");
        transcode::canonical(&shop().plan, id, bytes).expect("a message")
    };
    let (word, number, name, town) =
        (b"\x9a\x01\x01w", b"\xa0\x01\x05", b"\xaa\x01\x03\x0a\x01n", b"\xaa\x01\x03\x12\x01t");
    assert_eq!(canonical(&[&number[..], word].concat()), word);
    assert_eq!(canonical(&[&word[..], number, word, number].concat()), number);
    assert_eq!(canonical(&[&name[..], number, town].concat()), town);
    assert_eq!(canonical(&[&number[..], name, town].concat()), b"\xaa\x01\x06\x0a\x01n\x12\x01t");
}
