//! Integers as ProtoJSON allows them to be written: `5`, `1e2`, `2.0`.

/// The whole number that the text of a JSON number stands for, if it is one.
#[inline]
pub fn integer(text: &str) -> Option<i128> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    // Up to 19 digits fit into 64 bits.
    let plain = (1..=19).contains(&digits.len()).then(|| plain(digits)).flatten();
    let magnitude = i128::from(plain.or_else(|| scaled(digits))?);
    Some(if digits.len() == text.len() { magnitude } else { -magnitude })
}

fn plain(digits: &str) -> Option<u64> {
    digits.bytes().try_fold(0_u64, |value, byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit < 10).then(|| value * 10 + u64::from(digit))
    })
}

/// A number with a point, an exponent or many digits. Exact: a double would lose some.
#[cold]
fn scaled(text: &str) -> Option<u64> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = [whole, fraction].concat();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let significant = digits.trim_end_matches('0');
    if significant.is_empty() {
        return Some(0);
    }
    let exponent: i32 = exponent.parse().ok()?;
    let zeros = digits.len() as i64 - significant.len() as i64 - fraction.len() as i64 + i64::from(exponent);
    // 64 bits hold no more than 20 digits.
    let zeros = u32::try_from(zeros).ok().filter(|zeros| *zeros <= 20)?;
    significant.parse::<u64>().ok()?.checked_mul(10_u64.checked_pow(zeros)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_in_any_form_are_read_exactly() {
        for (text, expected) in [
            ("0", Some(0)),
            ("-0", Some(0)),
            ("0.0e5", Some(0)),
            ("0e99999999999", Some(0)),
            ("1e5", Some(100_000)),
            ("1E+2", Some(100)),
            ("-1.5e1", Some(-15)),
            ("100e-2", Some(1)),
            ("2.0", Some(2)),
            ("9223372036854775807.0", Some(i128::from(i64::MAX))),
            ("-9.223372036854775808e18", Some(i128::from(i64::MIN))),
            ("18446744073709551615", Some(i128::from(u64::MAX))),
            ("18446744073709551616", None),
            ("1e20", None),
            ("10e19", None),
            ("1e999999999999", None),
            ("1e-1", None),
            ("1.5", None),
            ("0.1e0", None),
            ("", None),
            ("-", None),
            (".", None),
            ("--1", None),
            ("1 ", None),
            ("0x1", None),
            ("1e", None),
        ] {
            assert_eq!(integer(text), expected, "{text}");
        }
    }
}
