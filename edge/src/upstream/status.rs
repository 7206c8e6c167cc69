//! gRPC status to the edge's error, its google.rpc details included.

use std::error::Error as _;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lastmile_proto::google::rpc::{BadRequest, ErrorInfo, RetryInfo, Status as RpcStatus};
use prost::Message;
use serde_json::{Value, json};

use crate::error::{Code, Error};
use crate::schema::Plan;
use crate::transcode::write_json;

/// `plan` gives the types of details; a detail of unknown type is kept as base64.
pub fn to_error(status: &tonic::Status, plan: Option<&Plan>) -> Error {
    let code = Code::from_number(i32::from(status.code()));
    if is_timeout(status) {
        return Error::new(
            Code::DeadlineExceeded,
            "DEADLINE_EXCEEDED",
            "The call took longer than its time limit.",
        );
    }
    if is_cut(status) {
        return Error::new(Code::Unavailable, "UPSTREAM_CUT", "The backend cut the stream short.");
    }
    // Only the transport sets a source: this status never came from the backend.
    if status.source().is_some() {
        // The endpoint says when that begins, and when it ends.
        tracing::debug!(error = ?status.source(), "the backend cannot be reached");
        let message = "The backend cannot be reached. Try again in a moment.";
        return Error::new(Code::Unavailable, "UPSTREAM_UNAVAILABLE", message)
            .retry_after(Duration::from_secs(1));
    }
    let mut error = Error::new(code, code.name(), status.message());
    let Ok(rpc) = RpcStatus::decode(status.details()) else { return error };
    for detail in &rpc.details {
        let value = detail.value.as_slice();
        match detail.type_url.rsplit('/').next() {
            Some("google.rpc.ErrorInfo") => {
                if let Ok(info) = ErrorInfo::decode(value) {
                    error = error.reason(info.reason);
                }
            }
            Some("google.rpc.BadRequest") => {
                for violation in BadRequest::decode(value).unwrap_or_default().field_violations {
                    error = error.violation(violation.field, violation.description);
                }
            }
            Some("google.rpc.RetryInfo") => {
                let delay = RetryInfo::decode(value).unwrap_or_default().retry_delay;
                if let Some(delay) = delay.and_then(|delay| Duration::try_from(delay).ok()) {
                    error = error.retry_after(delay);
                }
            }
            _ => error = error.detail(detail_json(detail, plan)),
        }
    }
    error
}

/// tonic's channel enforces `grpc-timeout` too, and may be first to notice.
fn is_timeout(status: &tonic::Status) -> bool {
    let mut cause = status.source();
    while let Some(error) = cause {
        if error.is::<tonic::TimeoutExpired>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// What tonic says of a body that ends without trailers, or inside a message. It has no better name for it than these
/// texts; the tests of cut streams notice when they change.
fn is_cut(status: &tonic::Status) -> bool {
    let message = status.message();
    message.starts_with("protocol error: missing grpc-status trailer")
        || message == "Unexpected EOF decoding stream."
}

fn detail_json(detail: &prost_types::Any, plan: Option<&Plan>) -> Value {
    let name = detail.type_url.rsplit('/').next().unwrap_or_default();
    let readable = plan.and_then(|plan| {
        let mut json = Vec::new();
        write_json(plan, plan.find(name)?, &detail.value, &mut json).ok()?;
        serde_json::from_slice::<Value>(&json).ok()
    });
    match readable {
        Some(Value::Object(mut fields)) => {
            fields.insert("@type".into(), json!(detail.type_url));
            Value::Object(fields)
        }
        _ => json!({ "@type": detail.type_url, "value": STANDARD.encode(&detail.value) }),
    }
}
