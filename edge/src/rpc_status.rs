//! An error as google.rpc.Status: a message for callers who read protobuf, JSON for the others.

use std::collections::HashMap;
use std::time::Duration;

use lastmile_proto::google::rpc::bad_request::FieldViolation;
use lastmile_proto::google::rpc::{BadRequest, ErrorInfo, RetryInfo, Status};
use prost::Message;
use serde_json::{Value, json};

use crate::error::{Detail, Error};

/// The `domain` of every reason that the edge itself gives.
pub const DOMAIN: &str = "lastmile.edge.v1";

/// Type URLs begin with it.
pub const TYPE_PREFIX: &str = "type.googleapis.com/";

/// The message, its details as the backend sent them.
pub fn message(error: &Error) -> Status {
    let any = |detail: Detail| prost_types::Any { type_url: detail.type_url, value: detail.value.into() };
    Status {
        code: error.code() as i32,
        message: error.message().to_owned(),
        details: details(error).into_iter().map(any).collect(),
    }
}

/// The message in ProtoJSON.
pub fn json(error: &Error) -> Value {
    let details: Vec<Value> = details(error).into_iter().map(|detail| detail.json).collect();
    json!({ "code": error.code() as i32, "message": error.message(), "details": details })
}

/// The backend's details, or those that say what the edge knows.
pub fn details(error: &Error) -> Vec<Detail> {
    match error.backend_details() {
        Some(details) => details.to_vec(),
        None => own_details(error),
    }
}

fn own_details(error: &Error) -> Vec<Detail> {
    let reason = error.reason_text().to_owned();
    let info = ErrorInfo { reason, domain: DOMAIN.into(), metadata: HashMap::new() };
    let json = json!({ "reason": info.reason, "domain": DOMAIN, "metadata": {} });
    let mut details = vec![detail("google.rpc.ErrorInfo", &info, json)];
    if !error.violations().is_empty() {
        let (request, json) = bad_request(error);
        details.push(detail("google.rpc.BadRequest", &request, json));
    }
    if let Some(delay) = error.retry_delay() {
        let info = RetryInfo { retry_delay: delay.try_into().ok() };
        details.push(detail("google.rpc.RetryInfo", &info, json!({ "retryDelay": seconds(delay) })));
    }
    details
}

fn bad_request(error: &Error) -> (BadRequest, Value) {
    let violations = error.violations();
    let message = violations.iter().map(|violation| FieldViolation {
        field: violation.field.clone(),
        description: violation.message.clone(),
        ..FieldViolation::default()
    });
    let json = violations.iter().map(|v| json!({ "field": v.field, "description": v.message }));
    let json = json!({ "fieldViolations": json.collect::<Vec<_>>() });
    (BadRequest { field_violations: message.collect() }, json)
}

fn detail(name: &str, message: &impl Message, mut json: Value) -> Detail {
    let type_url = format!("{TYPE_PREFIX}{name}");
    json["@type"] = json!(type_url);
    Detail { type_url, value: message.encode_to_vec().into(), json }
}

/// A google.protobuf.Duration in ProtoJSON: 0 or 3 digits, which is all that the edge's own delays need.
fn seconds(delay: Duration) -> String {
    match delay.subsec_millis() {
        0 => format!("{}s", delay.as_secs()),
        milliseconds => format!("{}.{milliseconds:03}s", delay.as_secs()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    #[test]
    fn what_the_edge_knows_becomes_details() {
        let error = Error::field("user.name", "must not be empty").retry_after(Duration::from_millis(1500));
        let expected = json!({
            "code": 3,
            "message": "user.name: must not be empty",
            "details": [
                {
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": "FIELD_INVALID", "domain": "lastmile.edge.v1", "metadata": {},
                },
                {
                    "@type": "type.googleapis.com/google.rpc.BadRequest",
                    "fieldViolations": [{ "field": "user.name", "description": "must not be empty" }],
                },
                { "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1.500s" },
            ],
        });
        assert_eq!(json(&error), expected);
        let names: Vec<String> = message(&error).details.into_iter().map(|any| any.type_url).collect();
        let expected: Vec<_> =
            expected["details"].as_array().unwrap().iter().map(|d| d["@type"].clone()).collect();
        assert_eq!(json!(names), json!(expected));
    }

    #[test]
    fn what_the_backend_sent_is_all_there_is() {
        let error = Error::new(Code::NotFound, "NOT_FOUND", "no").details(Vec::new());
        assert_eq!(json(&error), json!({ "code": 5, "message": "no", "details": [] }));
        assert_eq!(message(&error).details, []);
    }
}
