//! Failures in the form that a native EventSource survives.
//!
//! EventSource gives up for good on any status but 200. A page that cannot set `Authorization` therefore gets its
//! passing troubles (expired cookie, overload, absent backend) as a short stream: it comes back after `retry:`.

use std::time::Duration;

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Method, header};
use serde_json::json;

use crate::deliver::stream_headers;
use crate::error::{Code, Error};
use crate::reasons::CloseReason;
use crate::transcode::sse;

/// Answers a native EventSource's passing failures with 200, `retry:` and `lm-close`.
pub async fn native_event_source<'a, F>(
    retry: Duration,
    request: &'a mut Request,
    next: impl FnOnce(&'a mut Request) -> F,
) -> Response
where
    F: Future<Output = Response>,
{
    let is_native = *request.method() == Method::GET && is_native(request.headers());
    let response = next(request).await;
    let error = response.extensions().get::<Error>();
    let own_turn = error.and_then(Error::retry_delay);
    match error.and_then(passing) {
        Some(reason) if is_native => {
            // Never sooner than others are told.
            let jitter = retry.mul_f64(0.5 + rand::random::<f64>()).max(own_turn.unwrap_or_default());
            let closed = json!({ "reason": reason.name() }).to_string();
            let mut body = sse::retry(jitter.as_millis() as u64);
            body.extend(sse::block(None, Some("lm-close"), Some(closed.as_bytes())));
            (stream_headers("text/event-stream; charset=utf-8"), body).into_response()
        }
        _ => response,
    }
}

fn is_native(headers: &HeaderMap) -> bool {
    let accepts = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    accepts.is_some_and(|accept| accept.contains("text/event-stream"))
        && !headers.contains_key(header::AUTHORIZATION)
}

/// Why it is worth coming back; `None` when it is not.
fn passing(error: &Error) -> Option<CloseReason> {
    match (error.code(), error.reason_text()) {
        (Code::Unauthenticated, "TOKEN_EXPIRED") => Some(CloseReason::TokenExpired),
        (Code::Unauthenticated, "TICKET_EXPIRED") => Some(CloseReason::TicketExpired),
        (Code::ResourceExhausted, _) => Some(CloseReason::Overload),
        (Code::Unavailable, "OVERLOAD") => Some(CloseReason::Overload),
        (Code::Unavailable, "DRAINING" | "CUT_BY_DRAIN") => Some(CloseReason::Drain),
        (Code::Unavailable | Code::DeadlineExceeded, _) | (Code::Internal, "STREAM_BROKEN") => {
            Some(CloseReason::UpstreamUnavailable)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_is_worth_coming_back_for() {
        for (code, reason, expected) in [
            (Code::Unauthenticated, "TOKEN_EXPIRED", Some("token_expired")),
            (Code::Unauthenticated, "TICKET_EXPIRED", Some("ticket_expired")),
            (Code::Unauthenticated, "TOKEN_REVOKED", None),
            (Code::Unauthenticated, "TICKET_SPENT", None),
            (Code::Unauthenticated, "TICKET_INVALID", None),
            (Code::ResourceExhausted, "TICKETS_EXHAUSTED", Some("overload")),
            (Code::Unavailable, "DRAINING", Some("drain")),
            (Code::Unavailable, "UPSTREAM_UNAVAILABLE", Some("upstream_unavailable")),
            (Code::Internal, "STREAM_BROKEN", Some("upstream_unavailable")),
            (Code::Internal, "INTERNAL", None),
            (Code::PermissionDenied, "CROSS_SITE", None),
        ] {
            assert_eq!(passing(&Error::new(code, reason, "")).map(CloseReason::name), expected, "{reason}");
        }
    }
}
