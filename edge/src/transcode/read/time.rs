//! Timestamp and Duration from the text that ProtoJSON gives them.

use crate::transcode::encode;
use crate::transcode::wire::WireType;

/// 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z.
const SECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;
/// 10,000 years (duration.proto).
const LONGEST: i64 = 315_576_000_000;

/// Seconds since 1970 and nanoseconds of a time by RFC 3339, with any offset.
pub fn timestamp(text: &str) -> Option<(i64, i32)> {
    // 2006-01-02T15:04:05
    let (date_time, rest) = text.split_at_checked(19)?;
    let shape = date_time.bytes().zip("0000-00-00T00:00:00".bytes());
    if !shape.into_iter().all(|(byte, form)| if form == b'0' { byte.is_ascii_digit() } else { byte == form })
    {
        return None;
    }
    let part = |range: std::ops::Range<usize>| date_time[range].parse::<i64>().ok();
    let (year, month, day) = (part(0..4)?, part(5..7)?, part(8..10)?);
    let (hour, minute, second) = (part(11..13)?, part(14..16)?, part(17..19)?);
    if !(1..=12).contains(&month) || !(1..=days_of(year, month)).contains(&day) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let digits = rest.strip_prefix('.').map_or(0, |rest| rest.bytes().take_while(u8::is_ascii_digit).count());
    let (nanos, rest) = match rest.strip_prefix('.') {
        Some(rest) => (fraction(&rest[..digits])?, &rest[digits..]),
        None => (0, rest),
    };
    let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset(rest)?;
    SECONDS.contains(&seconds).then_some((seconds, nanos))
}

/// Seconds and nanoseconds, of one sign, of a duration such as `-1.5s`.
pub fn duration(text: &str) -> Option<(i64, i32)> {
    let text = text.strip_suffix('s')?;
    let magnitude = text.strip_prefix('-').unwrap_or(text);
    let (whole, nanos) = match magnitude.split_once('.') {
        Some((whole, digits)) => (whole, fraction(digits)?),
        None => (magnitude, 0),
    };
    if whole.is_empty() || !whole.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let seconds = whole.parse().ok().filter(|seconds| *seconds <= LONGEST)?;
    Some(if magnitude.len() == text.len() { (seconds, nanos) } else { (-seconds, -nanos) })
}

/// Appends the fields of either message; those that are 0 may be left out.
pub fn write(seconds: i64, nanos: i32, out: &mut Vec<u8>) {
    for (number, value) in [(1, seconds), (2, i64::from(nanos))] {
        if value != 0 {
            encode::tag(out, number, WireType::Varint);
            encode::varint(out, value as u64);
        }
    }
}

/// One to nine digits behind the point, as nanoseconds.
fn fraction(digits: &str) -> Option<i32> {
    if !(1..=9).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse::<i32>().ok().map(|value| value * 10_i32.pow(9 - digits.len() as u32))
}

/// `Z`, or hours and minutes east of it, in seconds.
fn offset(text: &str) -> Option<i64> {
    if text == "Z" {
        return Some(0);
    }
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = text.strip_prefix(['+', '-'])?.split_once(':')?;
    let number = |text: &str, limit: i64| {
        let is_number = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| text.parse::<i64>().ok()).flatten().filter(|value| *value <= limit)
    };
    Some(sign * (number(hours, 23)? * 3600 + number(minutes, 59)? * 60))
}

fn days_of(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970 in the proleptic Gregorian calendar (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms",
/// `days_from_civil`).
fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March here, so that leap days come last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let era = year.div_euclid(400);
    let year = year.rem_euclid(400);
    era * 146_097 + year * 365 + year / 4 - year / 100 + (153 * month + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", Some((0, 0))),
            ("1970-01-01T00:00:00.1Z", Some((0, 100_000_000))),
            ("1969-12-31T23:59:59.000000001Z", Some((-1, 1))),
            ("1970-01-01T02:00:00+02:00", Some((0, 0))),
            ("1969-12-31T23:30:00-00:30", Some((0, 0))),
            ("2000-02-29T00:00:00Z", Some((951_782_400, 0))),
            ("0001-01-01T00:00:00Z", Some((-62_135_596_800, 0))),
            ("9999-12-31T23:59:59.999999999Z", Some((253_402_300_799, 999_999_999))),
            ("0001-01-01T00:00:00+00:01", None),
            ("9999-12-31T23:59:59-00:01", None),
            ("0000-12-31T23:59:59Z", None),
            ("2100-02-29T00:00:00Z", None),
            ("2023-04-31T00:00:00Z", None),
            ("2023-00-01T00:00:00Z", None),
            ("2023-13-01T00:00:00Z", None),
            ("2023-01-00T00:00:00Z", None),
            ("2023-01-01T24:00:00Z", None),
            ("2023-01-01T00:60:00Z", None),
            ("2023-01-01T00:00:60Z", None),
            ("2023-01-01T00:00:00.Z", None),
            ("2023-01-01T00:00:00.0123456789Z", None),
            ("2023-01-01T00:00:00", None),
            ("2023-01-01T00:00:00z", None),
            ("2023-01-01t00:00:00Z", None),
            ("2023-01-01 00:00:00Z", None),
            ("2023-1-01T00:00:00Z", None),
            ("2023-01-01T00:00:00+1:00", None),
            ("2023-01-01T00:00:00+24:00", None),
            ("2023-01-01T00:00:00+01:60", None),
            ("2023-01-01T00:00:00+0100", None),
            ("2023-01-01T00:00:00ZZ", None),
            ("+023-01-01T00:00:00Z", None),
            ("２2023-01-01T00:00:00Z", None),
            ("", None),
        ] {
            assert_eq!(timestamp(text), expected, "{text}");
        }
    }

    #[test]
    fn every_day_is_the_one_that_prost_types_says() {
        for day in (-719_162..2_932_896).step_by(7) {
            let seconds = day * 86_400 + 3723;
            let text = prost_types::Timestamp { seconds, nanos: 0 }.to_string();
            assert_eq!(timestamp(&text), Some((seconds, 0)), "{text}");
        }
    }

    #[test]
    fn durations_are_seconds() {
        for (text, expected) in [
            ("0s", Some((0, 0))),
            ("1.5s", Some((1, 500_000_000))),
            ("-1.5s", Some((-1, -500_000_000))),
            ("-0.000000001s", Some((0, -1))),
            ("315576000000.999999999s", Some((315_576_000_000, 999_999_999))),
            ("-315576000000s", Some((-315_576_000_000, 0))),
            ("315576000001s", None),
            ("99999999999999999999s", None),
            ("1", None),
            ("s", None),
            ("-s", None),
            (".5s", None),
            ("1.s", None),
            ("1.0000000000s", None),
            ("+1s", None),
            ("--1s", None),
            ("1e3s", None),
            (" 1s", None),
            ("1 s", None),
            ("1h2m", None),
        ] {
            assert_eq!(duration(text), expected, "{text}");
        }
    }
}
