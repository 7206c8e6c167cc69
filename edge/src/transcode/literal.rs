//! JSON literals, written straight into the output: strings, numbers, base64.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::wire::Malformed;

/// Integral floats below these are written without `.0`: there is no shorter way to write them.
const INTEGRAL: f64 = 1e15;
const SINGLE_INTEGRAL: f64 = 16_777_216.0;

pub fn integer(out: &mut Vec<u8>, value: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// In quotes, as ProtoJSON writes 64-bit integers: numbers of JavaScript lose digits.
pub fn quoted_integer(out: &mut Vec<u8>, value: impl itoa::Integer) {
    out.push(b'"');
    integer(out, value);
    out.push(b'"');
}

pub fn double(out: &mut Vec<u8>, value: f64) {
    if !small_integral(out, value, INTEGRAL) {
        float(out, value, value);
    }
}

pub fn single(out: &mut Vec<u8>, value: f32) {
    if !small_integral(out, f64::from(value), SINGLE_INTEGRAL) {
        float(out, value, f64::from(value));
    }
}

fn small_integral(out: &mut Vec<u8>, value: f64, limit: f64) -> bool {
    let is_negative_zero = value == 0.0 && value.is_sign_negative();
    let fits = value.abs() < limit && value.fract() == 0.0 && !is_negative_zero;
    if fits {
        integer(out, value as i64);
    }
    fits
}

fn float(out: &mut Vec<u8>, value: impl zmij::Float, wide: f64) {
    match wide {
        _ if wide.is_finite() => {
            out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
        }
        _ if wide.is_nan() => out.extend_from_slice(b"\"NaN\""),
        _ if wide > 0.0 => out.extend_from_slice(b"\"Infinity\""),
        _ => out.extend_from_slice(b"\"-Infinity\""),
    }
}

/// Appends text that is mostly short: for a few bytes, the call of memcpy is most of the cost.
#[inline]
pub fn append(out: &mut Vec<u8>, text: &[u8]) {
    match text.last_chunk::<8>() {
        Some(last) if text.len() <= 32 => {
            let end = out.len() + text.len();
            let (words, _) = text.as_chunks::<8>();
            words.iter().for_each(|word| out.extend_from_slice(word));
            // The last word overlaps the one before.
            out.truncate(end - 8);
            out.extend_from_slice(last);
        }
        _ => out.extend_from_slice(text),
    }
}

/// Writes bytes as standard base64 with padding, in quotes.
pub fn base64(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    let start = out.len();
    out.resize(start + bytes.len().div_ceil(3) * 4, 0);
    let written = STANDARD.encode_slice(bytes, &mut out[start..]);
    // The room is exactly what base64 takes.
    debug_assert_eq!(written, Ok(out.len() - start));
    out.push(b'"');
}

/// Writes text in quotes, escaped where JSON must.
///
/// # Errors
/// When the bytes are not UTF-8.
#[inline]
pub fn string(out: &mut Vec<u8>, text: &[u8]) -> Result<(), Malformed> {
    out.push(b'"');
    if is_plain(text) {
        append(out, text);
    } else {
        std::str::from_utf8(text).map_err(|_| Malformed("is not valid UTF-8"))?;
        escape(out, text);
    }
    out.push(b'"');
    Ok(())
}

/// Whether text is ASCII that needs no escape: the usual case, eight bytes at a time.
fn is_plain(text: &[u8]) -> bool {
    let Some(last) = text.last_chunk::<8>() else {
        return text.iter().all(|byte| *byte < 0x80 && ESCAPES[usize::from(*byte)] == 0);
    };
    let (words, _) = text.as_chunks::<8>();
    // The last word overlaps the one before, where the length is not a multiple of eight.
    let words = words.iter().fold(0, |found, word| found | special(u64::from_le_bytes(*word)));
    words | special(u64::from_le_bytes(*last)) == 0
}

/// The high bits of bytes that are not ASCII, below a space, a quote or a backslash.
///
/// In words that have such a byte, higher bytes may be found wrongly; whether there is one at all is exact.
fn special(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES << 7;
    let quote = word ^ (ONES * b'"' as u64);
    let backslash = word ^ (ONES * b'\\' as u64);
    (word | word.wrapping_sub(ONES * 0x20) | quote.wrapping_sub(ONES) | backslash.wrapping_sub(ONES)) & HIGH
}

/// What stands behind the backslash of an escaped byte; `u` for those that have no short form, 0 for all others.
const ESCAPES: [u8; 256] = {
    let mut escapes = [0; 256];
    let mut byte = 0;
    while byte < 0x20 {
        escapes[byte] = b'u';
        byte += 1;
    }
    escapes[0x08] = b'b';
    escapes[b'\t' as usize] = b't';
    escapes[b'\n' as usize] = b'n';
    escapes[0x0c] = b'f';
    escapes[b'\r' as usize] = b'r';
    escapes[b'"' as usize] = b'"';
    escapes[b'\\' as usize] = b'\\';
    escapes
};

fn escape(out: &mut Vec<u8>, text: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut copied = 0;
    for (index, byte) in text.iter().enumerate() {
        let escape = ESCAPES[*byte as usize];
        if escape == 0 {
            continue;
        }
        out.extend_from_slice(&text[copied..index]);
        out.extend_from_slice(&[b'\\', escape]);
        if escape == b'u' {
            out.extend_from_slice(b"00");
            out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
        copied = index + 1;
    }
    out.extend_from_slice(&text[copied..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn strings_are_as_serde_json_writes_them() {
        // Every character at every place of a word and behind it.
        for character in (0..0x180).chain([0x2028, 0xffff, 0x1f600]).filter_map(char::from_u32) {
            for place in 0..10 {
                let text = format!("{}{character}{}", "a".repeat(place), "b".repeat(9 - place));
                let expected = serde_json::to_string(&text).unwrap();
                assert_eq!(written(|out| string(out, text.as_bytes()).unwrap()), expected);
            }
        }
        for place in 0..10 {
            let text = [&b"aaaaaaaaaa"[..place], b"\xff", &b"aaaaaaaaaa"[place..]].concat();
            assert_eq!(string(&mut Vec::new(), &text), Err(Malformed("is not valid UTF-8")));
        }
    }

    #[test]
    fn numbers_are_the_shortest_that_read_back() {
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "-0.0"),
            (1.0, "1"),
            (-7.0, "-7"),
            (0.1, "0.1"),
            (999_999_999_999_999.0, "999999999999999"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e308"),
            (f64::NAN, "\"NaN\""),
            (f64::NEG_INFINITY, "\"-Infinity\""),
        ] {
            assert_eq!(written(|out| double(out, value)).replace("e+", "e"), expected);
        }
        assert_eq!(written(|out| single(out, 0.1)), "0.1");
        assert_eq!(written(|out| single(out, -16_777_215.0)), "-16777215");
        assert_eq!(written(|out| single(out, 113_219_590_000.0)), "113219590000.0");
        assert_eq!(written(|out| single(out, f32::INFINITY)), "\"Infinity\"");
        assert_eq!(written(|out| quoted_integer(out, u64::MAX)), "\"18446744073709551615\"");
    }

    #[test]
    fn bytes_are_padded_base64() {
        for (bytes, expected) in [
            ("", "\"\""),
            ("f", "\"Zg==\""),
            ("fo", "\"Zm8=\""),
            ("foo", "\"Zm9v\""),
            ("foob", "\"Zm9vYg==\""),
        ] {
            assert_eq!(written(|out| base64(out, bytes.as_bytes())), expected);
        }
    }
}
