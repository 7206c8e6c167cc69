//! What the end of a call says of the process that was called, for its breaker.

use http::{HeaderMap, StatusCode};
use tonic::Code;

use super::failure::Failure;

/// What one call says of its endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It works, whatever it thinks of the call: a fault of one method or one caller is nobody else's.
    Works,
    /// It is overloaded or broken.
    Fails,
    /// Nothing: the caller left before anything was known.
    Unknown,
}

impl Verdict {
    /// Of the head of an answer; none when the body has yet to tell.
    pub(super) fn of_head(status: StatusCode, headers: &HeaderMap) -> Option<Self> {
        if let Some(verdict) = Self::of_status(headers) {
            return Some(verdict);
        }
        match status {
            StatusCode::OK => None,
            // What proxies say of a process that does not answer, or has no room.
            StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
                Some(Self::Fails)
            }
            _ => Some(Self::Works),
        }
    }

    /// Of trailers: without a status they say nothing.
    pub(super) fn of_trailers(trailers: &HeaderMap) -> Self {
        Self::of_status(trailers).unwrap_or(Self::Unknown)
    }

    /// Of a call that the transport ended.
    pub(super) fn of_failure(failure: Failure) -> Self {
        match failure {
            Failure::Unavailable => Self::Fails,
            // What cannot be reached is set aside and probed, and is back at once when it answers: a restart breaks many
            // calls, and must not close the door on those that follow it.
            Failure::Unreached | Failure::Broken | Failure::Refused | Failure::Shed | Failure::Other => {
                Self::Unknown
            }
        }
    }

    fn of_status(headers: &HeaderMap) -> Option<Self> {
        let status = headers.get("grpc-status")?.as_bytes();
        // Only UNAVAILABLE is about the process: RESOURCE_EXHAUSTED is a caller's quota, DEADLINE_EXCEEDED a caller's
        // haste, INTERNAL and UNKNOWN a mistake in one method; one caller could close the door on all by those.
        Some(if Code::from_bytes(status) == Code::Unavailable { Self::Fails } else { Self::Works })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_about_the_process_counts_against_it() {
        for (http, grpc, expected) in [
            (200, "", None),
            (200, "0", Some(Verdict::Works)),
            (200, "14", Some(Verdict::Fails)),
            (200, "8", Some(Verdict::Works)),
            (200, "4", Some(Verdict::Works)),
            (200, "13", Some(Verdict::Works)),
            (200, "5", Some(Verdict::Works)),
            (503, "", Some(Verdict::Fails)),
            (502, "", Some(Verdict::Fails)),
            (504, "", Some(Verdict::Fails)),
            (404, "", Some(Verdict::Works)),
            (429, "", Some(Verdict::Works)),
        ] {
            let mut headers = HeaderMap::new();
            if !grpc.is_empty() {
                headers.insert("grpc-status", grpc.parse().unwrap());
            }
            let status = StatusCode::from_u16(http).unwrap();
            assert_eq!(Verdict::of_head(status, &headers), expected, "{http} {grpc}");
            let by_trailers = expected.filter(|_| !grpc.is_empty()).unwrap_or(Verdict::Unknown);
            assert_eq!(Verdict::of_trailers(&headers), by_trailers, "{grpc}");
        }
        assert_eq!(Verdict::of_failure(Failure::Unavailable), Verdict::Fails);
        assert_eq!(Verdict::of_failure(Failure::Broken), Verdict::Unknown);
    }
}
