//! Which face a request asks for, by `Accept` and `Prefer`, decided once.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header};

use crate::error::{Code, Error, Result};
use crate::schema::Method;

/// Longest a long poll waits.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Face {
    /// One JSON value, of a unary call.
    Json,
    Sse,
    Lines,
    Array,
    /// A JSON array of what comes within this time.
    Poll(Duration),
}

/// # Errors
/// 406 naming the faces there are.
pub fn face(method: &Method, headers: &HeaderMap) -> Result<Face> {
    let accepted = accepted(headers);
    let Some(stream) = &method.stream else {
        let json = accepted
            .iter()
            .any(|range| matches!(range.as_str(), "application/json" | "application/*" | "*/*"));
        return if json { Ok(Face::Json) } else { Err(not_acceptable("`application/json`")) };
    };
    let wait = preferred_wait(headers);
    for range in &accepted {
        match (range.as_str(), wait) {
            ("text/event-stream" | "text/*", _) => return Ok(Face::Sse),
            ("application/x-ndjson" | "application/ndjson" | "application/jsonl", _) => {
                return Ok(Face::Lines);
            }
            ("application/json" | "application/*" | "*/*", Some(wait)) => return Ok(Face::Poll(wait)),
            ("application/json", None) if stream.finite => return Ok(Face::Array),
            ("application/*" | "*/*", None) => return Ok(Face::Lines),
            _ => {}
        }
    }
    let faces =
        "`text/event-stream`, `application/x-ndjson`, or `application/json` with `Prefer: wait=SECONDS`";
    Err(not_acceptable(faces))
}

fn not_acceptable(faces: &str) -> Error {
    Error::new(Code::InvalidArgument, "NOT_ACCEPTABLE", format!("Ask with `Accept` for {faces}."))
        .status(StatusCode::NOT_ACCEPTABLE)
}

/// The media ranges of `Accept` (RFC 9110, section 12.5.1), best first; everything when there is none.
fn accepted(headers: &HeaderMap) -> Vec<String> {
    let lines = headers.get_all(header::ACCEPT).iter().filter_map(|line| line.to_str().ok());
    let mut ranges: Vec<(f32, String)> = lines
        .flat_map(|line| line.split(','))
        .filter_map(|part| {
            let mut parameters = part.split(';').map(str::trim);
            let range = parameters.next().filter(|range| !range.is_empty())?.to_ascii_lowercase();
            let quality = parameters.find_map(|parameter| parameter.strip_prefix("q="));
            let quality = quality.map_or(1.0, |quality| quality.parse().unwrap_or(0.0));
            (quality > 0.0).then_some((quality, range))
        })
        .collect();
    if !headers.contains_key(header::ACCEPT) {
        ranges.push((1.0, "*/*".into()));
    }
    // Stable: equal ranges stay in the order they were given.
    ranges.sort_by(|a, b| b.0.total_cmp(&a.0));
    ranges.into_iter().map(|(_, range)| range).collect()
}

/// `Prefer: wait=N` (RFC 7240, section 4.3).
fn preferred_wait(headers: &HeaderMap) -> Option<Duration> {
    let lines = headers.get_all("prefer").iter().filter_map(|line| line.to_str().ok());
    let wait =
        lines.flat_map(|line| line.split([',', ';'])).find_map(|part| part.trim().strip_prefix("wait="));
    wait.and_then(|seconds| seconds.trim().parse().ok())
        .map(|seconds| Duration::from_secs(seconds).min(MAX_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_ordered_by_quality() {
        for (accept, expected) in [
            ("application/json;q=0.5, text/event-stream", "text/event-stream application/json"),
            ("text/html, */*;q=0.8, a/b;q=0", "text/html */*"),
            ("", ""),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("accept", accept.parse().unwrap());
            assert_eq!(accepted(&headers).join(" "), expected, "{accept}");
        }
        assert_eq!(accepted(&HeaderMap::new()), ["*/*"]);
    }

    #[test]
    fn reads_the_wait_preference() {
        let mut headers = HeaderMap::new();
        headers.insert("prefer", "respond-async, wait=5".parse().unwrap());
        assert_eq!(preferred_wait(&headers), Some(Duration::from_secs(5)));
        headers.insert("prefer", "wait=9999".parse().unwrap());
        assert_eq!(preferred_wait(&headers), Some(MAX_WAIT));
        headers.insert("prefer", "wait=x".parse().unwrap());
        assert_eq!(preferred_wait(&headers), None);
    }
}
