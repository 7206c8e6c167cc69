//! How failures are answered.

use crate::config::rest::{Compat, Envelope, ErrorForm};
use crate::error::Code;

use super::json::{Object, object};
use super::schemas::{Schemas, reference};
use super::terms::Terms;

const PROBLEM: &str = "lastmile.Problem";
const STATUS: &str = "google.rpc.Status";
const FAILURE: &str = "lastmile.Failure";

/// Every operation may answer with these; they stand once in the components.
pub fn responses(schemas: &mut Schemas<'_>) -> Object {
    let content = content(schemas);
    let wait = object! { "Retry-After": header("Seconds to wait before the next try.", "integer") };
    let challenge = object! { "WWW-Authenticate": header("Why the token was refused (RFC 6750).", "string") };
    object! {
        "Error": object! {
            "description": "The call failed; `code` and `reason` say why.",
            "headers": wait.clone(),
            "content": content.clone(),
        },
        "Unauthenticated": object! {
            "description": "The token is missing, expired or not valid.",
            "headers": challenge,
            "content": content.clone(),
        },
        "TooManyRequests": object! {
            "description": "Too many calls, of this caller or of this address.",
            "headers": wait,
            "content": content,
        },
        "NotModified": object! {
            "description": "The answer is still the one that `If-None-Match` names.",
            "headers": object! { "ETag": header("Names this state of the answer.", "string") },
        },
    }
}

/// Refers to one of them.
pub fn response(name: &str) -> Object {
    object! { "$ref": format!("#/components/responses/{name}") }
}

pub fn header(description: &str, kind: &str) -> Object {
    object! { "description": description, "schema": object! { "type": kind } }
}

/// The schema of the failure that stands in a stream.
pub fn in_stream(terms: Terms<'_>) -> Object {
    reference(if terms.rest.compat == Compat::GrpcGateway { STATUS } else { PROBLEM })
}

/// In the form that callers get who do not choose one.
fn content(schemas: &mut Schemas<'_>) -> Object {
    let rest = schemas.terms.rest;
    let is_status = rest.errors == ErrorForm::Status || rest.compat == Compat::GrpcGateway;
    schemas.add(PROBLEM, problem());
    if is_status {
        schemas.add(STATUS, status());
    }
    let (media, name) = match rest.envelope {
        Envelope::CodeData => {
            schemas.add(FAILURE, failure());
            ("application/json", FAILURE)
        }
        Envelope::None if is_status => ("application/json", STATUS),
        Envelope::None => ("application/problem+json", PROBLEM),
    };
    Object::default().with(media, object! { "schema": reference(name) })
}

/// RFC 9457, section 3, with the members that the edge adds.
fn problem() -> Object {
    let text = |description: &str| object! { "type": "string", "description": description };
    let names: Vec<_> = (1..=16).map(|number| Code::from_number(number).name()).collect();
    let violation = object! {
        "type": "object",
        "required": ["field", "message"],
        "properties": object! {
            "field": text("Path of the field, such as `user.name`."),
            "message": text("What is wrong with it."),
        },
    };
    object! {
        "type": "object",
        "description": "Problem details (RFC 9457).",
        "required": ["type", "title", "status", "detail", "code", "reason"],
        "properties": object! {
            "type": object! { "type": "string", "format": "uri-reference" },
            "title": text("The status in words."),
            "status": object! { "type": "integer", "description": "The HTTP status." },
            "detail": text("What went wrong and what to do about it, for developers."),
            "code": object! { "type": "string", "description": "The gRPC status code.", "enum": names },
            "reason": text("What went wrong, for programs: UPPER_SNAKE_CASE, it does not change."),
            "errors": object! { "type": "array", "description": "The fields that are wrong.", "items": violation },
            "details": details(),
            "trace_id": text("Finds the call in traces and logs."),
        },
    }
}

fn status() -> Object {
    object! {
        "type": "object",
        "description": "The status of a failed call (google/rpc/status.proto).",
        "required": ["code", "message"],
        "properties": object! {
            "code": object! { "type": "integer", "format": "int32", "description": "The gRPC status code." },
            "message": object! { "type": "string", "description": "What went wrong, for developers." },
            "details": details(),
        },
    }
}

fn failure() -> Object {
    object! {
        "type": "object",
        "required": ["code", "message", "data"],
        "properties": object! {
            "code": object! { "type": "integer", "description": "The gRPC status code; 0 is success." },
            "message": object! { "type": "string" },
            "data": object! { "type": "null" },
        },
    }
}

fn details() -> Object {
    let detail = object! {
        "type": "object",
        "properties": object! { "@type": object! { "type": "string" } },
        "additionalProperties": true,
    };
    object! { "type": "array", "description": "Details of the backend (google/rpc/error_details.proto).", "items": detail }
}
