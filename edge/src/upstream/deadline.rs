//! How long a call may take, as its caller says: `grpc-timeout`, `Connect-Timeout-Ms` or `X-Server-Timeout`.

use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use tokio::time::Instant;

use crate::error::{Error, Result};
use crate::header_table::unindexed;

/// The least time limit in the request's headers, if there is one.
///
/// # Errors
/// INVALID_ARGUMENT naming the header when its value is malformed.
pub fn requested(headers: &HeaderMap) -> Result<Option<Duration>> {
    let mut least: Option<Duration> = None;
    for (name, parse) in [
        ("grpc-timeout", parse_grpc as fn(&str) -> Option<Duration>),
        ("connect-timeout-ms", parse_milliseconds),
        ("x-server-timeout", parse_seconds),
    ] {
        let Some(value) = headers.get(name) else { continue };
        let timeout = value.to_str().ok().and_then(parse);
        let timeout =
            timeout.ok_or_else(|| Error::field(name, "is not a time limit, such as `500m` or `2S`"))?;
        least = Some(least.map_or(timeout, |least| least.min(timeout)));
    }
    Ok(least)
}

/// What is left until then, as `grpc-timeout`: at least a millisecond, which is also how finely timers tick.
pub fn remaining(until: Instant) -> HeaderValue {
    const MAX: u128 = 99_999_999;
    let left = until.saturating_duration_since(Instant::now());
    let text = match left.as_millis().max(1) {
        milliseconds @ ..=MAX => format!("{milliseconds}m"),
        milliseconds => format!("{}S", (milliseconds / 1000).min(MAX)),
    };
    unindexed(HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("1m")))
}

/// gRPC over HTTP/2: at most eight digits and a unit.
fn parse_grpc(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let amount: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(amount * 3600)),
        "M" => Some(Duration::from_secs(amount * 60)),
        "S" => Some(Duration::from_secs(amount)),
        "m" => Some(Duration::from_millis(amount)),
        "u" => Some(Duration::from_micros(amount)),
        "n" => Some(Duration::from_nanos(amount)),
        _ => None,
    }
}

/// Connect protocol: at most ten digits.
fn parse_milliseconds(text: &str) -> Option<Duration> {
    let valid = (1..=10).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    valid.then(|| text.parse().ok().map(Duration::from_millis))?
}

fn parse_seconds(text: &str) -> Option<Duration> {
    let seconds: f64 = text.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok().filter(|timeout| timeout.as_secs() < 100_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_left_fits_into_eight_digits() {
        for (milliseconds, expected) in [
            (0, "1m"),
            (250, "250m"),
            (99_999_999, "99999999m"),
            (100_000_000, "100000S"),
            (u64::from(u32::MAX) * 1000 * 1000, "99999999S"),
        ] {
            let until = Instant::now() + Duration::from_millis(milliseconds);
            assert_eq!(remaining(until), expected, "{milliseconds}");
        }
    }

    #[test]
    fn reads_every_spelling_and_refuses_the_rest() {
        for (name, value, expected) in [
            ("grpc-timeout", "250m", Some(250)),
            ("grpc-timeout", "2S", Some(2000)),
            ("grpc-timeout", "1H", Some(3_600_000)),
            ("connect-timeout-ms", "1500", Some(1500)),
            ("x-server-timeout", "1.5", Some(1500)),
            ("grpc-timeout", "-1S", None),
            ("grpc-timeout", "999999999S", None),
            ("grpc-timeout", "1", None),
            ("grpc-timeout", "1x", None),
            ("x-server-timeout", "NaN", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            let timeout = requested(&headers).ok().flatten().map(|timeout| timeout.as_millis());
            assert_eq!(timeout, expected, "{name}: {value}");
        }
    }
}
