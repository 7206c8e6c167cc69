//! gRPC status to the edge's error, its google.rpc details included.

use std::error::Error as _;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use lastmile_proto::google::rpc::{BadRequest, ErrorInfo, RetryInfo, Status as RpcStatus};
use prost::Message;
use serde_json::{Value, json};

use crate::error::{Code, Detail, Error};
use crate::schema::Plan;
use crate::schema::plan::Form;
use crate::transcode::write_json;

use super::discreet::{discreet, type_name};
use super::failure::{BadAnswer, Shed, root};

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
    if let Some(Shed { wait }) = Shed::of(status) {
        let message = "Too many calls to the backend fail, and it is left alone for a moment. Try again as `Retry-After` \
             says.";
        // Not all callers at once.
        let delay = wait.mul_f64(1.0 + rand::random::<f64>() / 2.0);
        return Error::new(Code::Unavailable, "UPSTREAM_BREAKER_OPEN", message).retry_after(delay);
    }
    if let Some(bad) = status.source().and_then(|source| source.downcast_ref()) {
        return of_answer(*bad);
    }
    // Only the transport sets a source: this status never came from the backend.
    if let Some(source) = status.source() {
        // The endpoint says when that begins, and when it ends.
        tracing::debug!(error = ?source, "the backend cannot be reached");
        let message = format!("The backend cannot be reached: {}.", root(source));
        return Error::new(Code::Unavailable, "UPSTREAM_UNAVAILABLE", message)
            // Addresses are nobody's business out there.
            .withhold("The backend cannot be reached. Try again in a moment.", None)
            .retry_after(Duration::from_secs(1));
    }
    let rpc = RpcStatus::decode(status.details()).unwrap_or_default();
    let rpc = RpcStatus { code: code as i32, message: status.message().to_owned(), details: rpc.details };
    let read_all = |status: &RpcStatus| status.details.iter().map(|detail| read(detail, plan)).collect();
    let error = explained(Error::new(code, code.name(), &*rpc.message), &rpc.details).details(read_all(&rpc));
    match discreet(&rpc) {
        Some(told) => error.withhold(told.message.as_str(), Some(read_all(&told))),
        None => error,
    }
}

/// Takes reason, violations and delay from the details that tell of them.
fn explained(mut error: Error, details: &[prost_types::Any]) -> Error {
    for detail in details {
        let value = detail.value.as_slice();
        match type_name(detail) {
            "google.rpc.ErrorInfo" => {
                if let Ok(info) = ErrorInfo::decode(value) {
                    error = error.reason(info.reason);
                }
            }
            "google.rpc.BadRequest" => {
                for violation in BadRequest::decode(value).unwrap_or_default().field_violations {
                    error = error.violation(violation.field, violation.description);
                }
            }
            "google.rpc.RetryInfo" => {
                let delay = RetryInfo::decode(value).unwrap_or_default().retry_delay;
                if let Some(delay) = delay.and_then(|delay| Duration::try_from(delay).ok()) {
                    error = error.retry_after(delay);
                }
            }
            _ => {}
        }
    }
    error
}

/// A service in this process may enforce `grpc-timeout` too, and be first to notice.
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

fn of_answer(bad: BadAnswer) -> Error {
    let (code, reason, message) = match bad {
        BadAnswer::Cut => {
            return Error::new(Code::Unavailable, "UPSTREAM_CUT", "The backend cut the stream short.");
        }
        BadAnswer::NotGrpc(status) => return not_grpc(status),
        BadAnswer::TooLarge => {
            (Code::ResourceExhausted, "UPSTREAM_MESSAGE_TOO_LARGE", "A message of the backend is too large.")
        }
        BadAnswer::Unreadable => {
            (Code::Internal, "UPSTREAM_MESSAGE_INVALID", "The backend sent a message that is not gzip.")
        }
        BadAnswer::NotOne => (
            Code::Internal,
            "UPSTREAM_MESSAGE_MISSING",
            "The backend must answer a unary call with exactly one message.",
        ),
    };
    Error::new(code, reason, message).status(StatusCode::BAD_GATEWAY)
}

/// Whoever answered does not speak gRPC.
pub(super) fn not_grpc(status: StatusCode) -> Error {
    let message = format!("The backend answered with HTTP status {} instead of gRPC.", status.as_u16());
    Error::new(code_of(status), "UPSTREAM_NOT_GRPC", message)
}

/// What a proxy on the way says has a code too (gRPC, "HTTP to gRPC Status Code Mapping").
pub(super) fn code_of(status: StatusCode) -> Code {
    match status.as_u16() {
        400 => Code::Internal,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::Unimplemented,
        429 | 502 | 503 | 504 => Code::Unavailable,
        _ => Code::Unknown,
    }
}

fn read(detail: &prost_types::Any, plan: Option<&Plan>) -> Detail {
    let json = plan.and_then(|plan| readable(detail, plan));
    let opaque = || json!({ "@type": detail.type_url, "value": STANDARD.encode(&detail.value) });
    Detail {
        type_url: detail.type_url.clone(),
        value: detail.value.clone().into(),
        json: json.unwrap_or_else(opaque),
    }
}

/// The detail in the JSON form of google.protobuf.Any.
fn readable(detail: &prost_types::Any, plan: &Plan) -> Option<Value> {
    let id = plan.find(type_name(detail))?;
    let mut json = Vec::new();
    write_json(plan, id, &detail.value, &mut json).ok()?;
    let mut value: Value = serde_json::from_slice(&json).ok()?;
    if plan.message(id).form == Form::Object {
        value["@type"] = json!(detail.type_url);
        return Some(value);
    }
    Some(json!({ "@type": detail.type_url, "value": value }))
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::rpc_status;

    #[test]
    fn a_backend_that_cannot_be_reached_keeps_its_reason_and_its_cause_for_itself() {
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        let error = to_error(&tonic::Status::from_error(Box::new(refused)), None).hint("upstream `a`");
        for (error, has_cause) in [(error.clone(), false), (error.reveal(), true)] {
            assert_eq!(error.message().contains("refused"), has_cause, "{error}");
            assert!(error.message().contains("upstream `a`"), "{error}");
            assert_eq!(error.to_problem()["reason"], "UPSTREAM_UNAVAILABLE");
            let told = rpc_status::json(&error)["details"].clone();
            assert_eq!(told[0]["reason"], "UPSTREAM_UNAVAILABLE");
            assert_eq!(told[1]["retryDelay"], "1s");
        }
    }
}
