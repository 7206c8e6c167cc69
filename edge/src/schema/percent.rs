//! Strict percent-decoding (RFC 3986, section 2.1): a broken escape is an error, never a guess.

/// A broken percent-escape, a NUL, or text that is not UTF-8.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("bad percent-encoding in `{0}`")]
pub struct BadPercent(pub String);

/// Decodes all escapes.
pub fn decode(text: &str) -> Result<String, BadPercent> {
    decode_except(text, None)
}

/// Decodes all escapes but `%2F`, which stays as written: the value may span several path segments.
pub fn decode_keeping_slashes(text: &str) -> Result<String, BadPercent> {
    decode_except(text, Some(b'/'))
}

fn decode_except(text: &str, kept: Option<u8>) -> Result<String, BadPercent> {
    let bad = || BadPercent(text.to_owned());
    let hex = |digit: u8| char::from(digit).to_digit(16);
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let [high, low, tail @ ..] = rest else { return Err(bad()) };
        let (Some(high_value), Some(low_value)) = (hex(*high), hex(*low)) else { return Err(bad()) };
        match (high_value * 16 + low_value) as u8 {
            0 => return Err(bad()),
            byte if Some(byte) == kept => bytes.extend([b'%', *high, *low]),
            byte => bytes.push(byte),
        }
        rest = tail;
    }
    String::from_utf8(bytes).map_err(|_| bad())
}
