//! Cursor tokens: the resume positions that browsers hold.
//!
//! `lm1.<tag>.<upstream cursor>`, several joined by `~`. The tag binds a token to its stream, so that a token used on
//! another stream is seen. A token carries position, never authority.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};
use sha2::{Digest, Sha256};

const PREFIX: &str = "lm1.";
const JOINT: char = '~';
/// No encoded cursor begins with it, so the mark of an ended stream cannot be mistaken for a position.
const END: &str = "$end";
const UNSAFE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');

/// Most streams one token may name.
pub const MAX_STREAMS: usize = 64;
/// Longest token in bytes; proxies allow little more in a header.
pub const MAX_BYTES: usize = 4096;

/// Names a stream: 8 bytes of SHA-256 over method and canonical request, in base64url.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tag(String);

impl Tag {
    /// `request` is canonical: fields by number, no resume field, split fields reduced to one value.
    pub fn new(method: &str, request: &[u8]) -> Self {
        let mut hash = Sha256::new();
        hash.update(method.as_bytes());
        hash.update([0]);
        hash.update(request);
        Self(URL_SAFE_NO_PAD.encode(&hash.finalize()[..8]))
    }
}

/// Where one stream is: after an upstream cursor, or at its end.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Place {
    After(Vec<u8>),
    End,
}

/// What a browser sent as its cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cursor {
    /// Not a token: goes to the backend untouched.
    Raw(Vec<u8>),
    Token(Token),
}

/// The positions of the streams of one subscription.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Token(Vec<(Tag, Place)>);

/// Why a text that begins like a token is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor token")]
pub struct Malformed;

impl Cursor {
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        if text.starts_with(PREFIX) {
            Token::parse(text).map(Self::Token)
        } else {
            Ok(Self::Raw(text.into()))
        }
    }
}

impl Token {
    /// The position of the stream with this tag.
    pub fn place(&self, tag: &Tag) -> Option<&Place> {
        self.0.iter().find(|(own, _)| own == tag).map(|(_, place)| place)
    }

    fn parse(text: &str) -> Result<Self, Malformed> {
        if text.len() > MAX_BYTES {
            return Err(Malformed);
        }
        let parts: Vec<_> = text.split(JOINT).map(parse_one).collect::<Result<_, _>>()?;
        if parts.len() > MAX_STREAMS { Err(Malformed) } else { Ok(Self(parts)) }
    }
}

/// Writes the token of one stream.
pub fn encode(tag: &Tag, place: &Place) -> String {
    match place {
        Place::After(cursor) => format!("{PREFIX}{}.{}", tag.0, percent_encode(cursor, UNSAFE)),
        Place::End => format!("{PREFIX}{}.{END}", tag.0),
    }
}

/// Joins the tokens of several streams into one.
pub fn join<'a>(tokens: impl IntoIterator<Item = &'a str>) -> String {
    tokens.into_iter().collect::<Vec<_>>().join("~")
}

fn parse_one(text: &str) -> Result<(Tag, Place), Malformed> {
    let (tag, cursor) = text.strip_prefix(PREFIX).and_then(|rest| rest.split_once('.')).ok_or(Malformed)?;
    if tag.len() != 11 || !tag.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
        return Err(Malformed);
    }
    let place = match cursor {
        END => Place::End,
        _ if !cursor.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.%".contains(&b)) => {
            return Err(Malformed);
        }
        _ => Place::After(percent_decode_str(cursor).collect()),
    };
    Ok((Tag(tag.to_owned()), place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_upstream_cursor_survives() {
        let tag = Tag::new("a.B/C", b"x");
        for cursor in [&b""[..], b"17", b"a~b.c%d $end", b"$end", &[0, 255, 10, 13], "über".as_bytes()] {
            let place = Place::After(cursor.to_vec());
            let text = encode(&tag, &place);
            assert!(text.bytes().all(|b| b.is_ascii_graphic()), "{text}");
            let Ok(Cursor::Token(token)) = Cursor::parse(&text) else { panic!("{text}") };
            assert_eq!(token.place(&tag), Some(&place));
        }
    }

    #[test]
    fn joined_tokens_name_each_stream() {
        let (a, b) = (Tag::new("m", b"a"), Tag::new("m", b"b"));
        let text = join([encode(&a, &Place::After(b"1".to_vec())).as_str(), &encode(&b, &Place::End)]);
        let Ok(Cursor::Token(token)) = Cursor::parse(&text) else { panic!("{text}") };
        assert_eq!(token.place(&a), Some(&Place::After(b"1".to_vec())));
        assert_eq!(token.place(&b), Some(&Place::End));
        assert_eq!(token.place(&Tag::new("other", b"a")), None);
    }

    #[test]
    fn bad_tokens_are_told_from_raw_cursors() {
        assert_eq!(Cursor::parse("17-x"), Ok(Cursor::Raw(b"17-x".into())));
        for text in ["lm1.", "lm1.short.1", "lm1.AAAAAAAAAAA", "lm1.AAAAAAAAAAA.1~", "lm1.AAAAAAAAAAA.a b"] {
            assert_eq!(Cursor::parse(text), Err(Malformed), "{text}");
        }
        let long = format!("lm1.AAAAAAAAAAA.{}", "1".repeat(MAX_BYTES));
        assert_eq!(Cursor::parse(&long), Err(Malformed));
    }
}
