//! Timestamp, Duration and FieldMask as the text that ProtoJSON gives them.

use super::literal;
use super::unwritable::Unwritable;
use super::wire::{Malformed, Tag, Wire, WireType};

type Result<T = ()> = std::result::Result<T, Unwritable>;

const DAY: i64 = 86_400;
/// 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z.
const SECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;
/// 10,000 years (duration.proto).
const LONGEST: u64 = 315_576_000_000;
const BILLION: u32 = 1_000_000_000;

/// Writes an encoded google.protobuf.Timestamp.
pub fn timestamp(out: &mut Vec<u8>, bytes: &[u8]) -> Result {
    let (seconds, nanos) = seconds_and_nanos(bytes)?;
    let nanos = u32::try_from(nanos).ok().filter(|nanos| *nanos < BILLION && SECONDS.contains(&seconds));
    let Some(nanos) = nanos else { return Err(Unwritable::new("is a time outside the years 1 to 9999")) };
    let (year, month, day) = date(seconds.div_euclid(DAY));
    let second = seconds.rem_euclid(DAY) as u64;
    out.push(b'"');
    digits(out, year, 4);
    for (before, value) in
        [(b'-', month), (b'-', day), (b'T', second / 3600), (b':', second / 60 % 60), (b':', second % 60)]
    {
        out.push(before);
        digits(out, value, 2);
    }
    fraction(out, nanos);
    out.extend_from_slice(b"Z\"");
    Ok(())
}

/// Writes an encoded google.protobuf.Duration.
pub fn duration(out: &mut Vec<u8>, bytes: &[u8]) -> Result {
    let (seconds, nanos) = seconds_and_nanos(bytes)?;
    let signs_differ = seconds.signum() * i64::from(nanos.signum()) < 0;
    if seconds.unsigned_abs() > LONGEST || nanos.unsigned_abs() >= BILLION || signs_differ {
        return Err(Unwritable::new("is a duration out of range"));
    }
    out.push(b'"');
    if seconds < 0 || nanos < 0 {
        out.push(b'-');
    }
    literal::integer(out, seconds.unsigned_abs());
    fraction(out, nanos.unsigned_abs());
    out.extend_from_slice(b"s\"");
    Ok(())
}

/// Writes an encoded google.protobuf.FieldMask: paths in lowerCamelCase, joined by commas.
pub fn field_mask(out: &mut Vec<u8>, bytes: &[u8]) -> Result {
    let mut text = Vec::with_capacity(bytes.len());
    let mut wire = Wire::new(bytes);
    while let Some(tag) = wire.tag()? {
        match tag {
            Tag { number: 1, wire_type: WireType::Length } => {
                if !text.is_empty() {
                    text.push(b',');
                }
                camel_case(&mut text, wire.bytes()?)?;
            }
            Tag { number: 1, .. } => return Err(Malformed("has paths that are no text").into()),
            other => wire.skip(other)?,
        }
    }
    Ok(literal::string(out, &text)?)
}

/// Turns `snake_case` into `snakeCase`; refuses what would not come back the same.
fn camel_case(out: &mut Vec<u8>, path: &[u8]) -> Result {
    let mut bytes = path.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'_' => match bytes.next() {
                Some(letter @ b'a'..=b'z') => out.push(letter.to_ascii_uppercase()),
                _ => return Err(Unwritable::new("has a path that lowerCamelCase cannot hold")),
            },
            b'A'..=b'Z' | b',' => return Err(Unwritable::new("has a path that lowerCamelCase cannot hold")),
            other => out.push(*other),
        }
    }
    Ok(())
}

/// The fields of Timestamp and Duration; the last of each counts.
fn seconds_and_nanos(bytes: &[u8]) -> Result<(i64, i32)> {
    let (mut seconds, mut nanos) = (0, 0);
    let mut wire = Wire::new(bytes);
    while let Some(tag) = wire.tag()? {
        match tag {
            Tag { number: 1, wire_type: WireType::Varint } => seconds = wire.varint()? as i64,
            Tag { number: 2, wire_type: WireType::Varint } => nanos = wire.varint()? as i32,
            Tag { number: 1 | 2, .. } => return Err(Malformed("has seconds or nanos of another type").into()),
            other => wire.skip(other)?,
        }
    }
    Ok((seconds, nanos))
}

/// Year, month and day of a day since 1970 in the proleptic Gregorian calendar (H. Hinnant, "chrono-Compatible
/// Low-Level Date Algorithms", `civil_from_days`). Years begin in March there, so that leap days come last.
fn date(days: i64) -> (u64, u64, u64) {
    // From the year 0 on, as no earlier day is in range.
    let days = (days + 719_468) as u64;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + u64::from(month <= 2), month, day)
}

/// None, three, six or nine digits, as many as are needed.
fn fraction(out: &mut Vec<u8>, nanos: u32) {
    let (value, count) = match nanos {
        0 => return,
        _ if nanos.is_multiple_of(1_000_000) => (nanos / 1_000_000, 3),
        _ if nanos.is_multiple_of(1000) => (nanos / 1000, 6),
        _ => (nanos, 9),
    };
    out.push(b'.');
    digits(out, u64::from(value), count);
}

/// The number in decimal, with zeros in front.
fn digits(out: &mut Vec<u8>, mut value: u64, count: usize) {
    let end = out.len() + count;
    out.resize(end, b'0');
    for digit in out[end - count..].iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;

    #[track_caller]
    fn check(write: fn(&mut Vec<u8>, &[u8]) -> Result, bytes: &[u8], expected: Option<&str>) {
        let mut out = Vec::new();
        let written = write(&mut out, bytes).ok().map(|()| String::from_utf8(out).unwrap());
        assert_eq!(written, expected.map(|text| format!("\"{text}\"")));
    }

    #[test]
    fn times_are_rfc_3339_in_utc() {
        for (seconds, nanos, expected) in [
            (0, 0, Some("1970-01-01T00:00:00Z")),
            (0, 1, Some("1970-01-01T00:00:00.000000001Z")),
            (0, 120_000_000, Some("1970-01-01T00:00:00.120Z")),
            (-1, 999_999_000, Some("1969-12-31T23:59:59.999999Z")),
            (-62_135_596_800, 0, Some("0001-01-01T00:00:00Z")),
            (253_402_300_799, 999_999_999, Some("9999-12-31T23:59:59.999999999Z")),
            (951_782_400, 0, Some("2000-02-29T00:00:00Z")),
            (4_107_542_400, 0, Some("2100-03-01T00:00:00Z")),
            (-62_135_596_801, 0, None),
            (253_402_300_800, 0, None),
            (i64::MIN, 0, None),
            (0, -1, None),
            (0, 1_000_000_000, None),
        ] {
            check(timestamp, &prost_types::Timestamp { seconds, nanos }.encode_to_vec(), expected);
        }
    }

    #[test]
    fn every_day_is_the_one_that_prost_types_says() {
        for day in (-719_162..2_932_896).step_by(7) {
            let time = prost_types::Timestamp { seconds: day * DAY + 3723, nanos: 0 };
            check(timestamp, &time.encode_to_vec(), Some(&time.to_string()));
        }
    }

    #[test]
    fn durations_are_seconds() {
        for (seconds, nanos, expected) in [
            (0, 0, Some("0s")),
            (1, 500_000_000, Some("1.500s")),
            (-1, -500_000_000, Some("-1.500s")),
            (0, -1, Some("-0.000000001s")),
            (315_576_000_000, 999_999_999, Some("315576000000.999999999s")),
            (-315_576_000_000, 0, Some("-315576000000s")),
            (315_576_000_001, 0, None),
            (i64::MIN, 0, None),
            (1, -1, None),
            (-1, 1, None),
            (0, 1_000_000_000, None),
            (0, i32::MIN, None),
        ] {
            check(duration, &prost_types::Duration { seconds, nanos }.encode_to_vec(), expected);
        }
    }

    #[test]
    fn masks_are_camel_case() {
        for (paths, expected) in [
            (&[][..], Some("")),
            (&["a"], Some("a")),
            (&["user.home_town", "b_c_d", "*"], Some("user.homeTown,bCD,*")),
            (&["line_1"], None),
            (&["homeTown"], None),
            (&["a__b"], None),
            (&["a_"], None),
            (&["a,b"], None),
        ] {
            let paths = paths.iter().map(|&path| path.to_owned()).collect();
            check(field_mask, &prost_types::FieldMask { paths }.encode_to_vec(), expected);
        }
    }
}
