//! The answer to too many requests.

use std::time::Duration;

use http::{HeaderName, HeaderValue};

use crate::error::{Code, Error};

/// 429 with `Retry-After`, `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers).
pub fn exhausted(wait: Duration, quota: u32, window_seconds: u64) -> Error {
    let reset = wait.as_secs() + 1;
    let limit = format!("\"default\";r=0;t={reset}");
    let policy = format!("\"default\";q={quota};w={}", window_seconds.max(1));
    let error =
        Error::new(Code::ResourceExhausted, "RATE_LIMITED", "Too many requests. Wait as `Retry-After` says.");
    [("ratelimit", limit), ("ratelimit-policy", policy)].into_iter().fold(
        error.retry_after(wait),
        |error, (name, value)| match HeaderValue::from_str(&value) {
            Ok(value) => error.header(HeaderName::from_static(name), value),
            Err(_) => error,
        },
    )
}
