//! One error for every face: it knows its gRPC code, HTTP status and problem body.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};

use crate::telemetry;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Canonical gRPC status codes (google.rpc.Code), without OK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Code {
    Cancelled = 1,
    Unknown = 2,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    AlreadyExists = 6,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    Aborted = 10,
    OutOfRange = 11,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    DataLoss = 15,
    Unauthenticated = 16,
}

impl Code {
    const ALL: [(Self, &'static str, u16); 16] = [
        (Self::Cancelled, "CANCELLED", 499),
        (Self::Unknown, "UNKNOWN", 500),
        (Self::InvalidArgument, "INVALID_ARGUMENT", 400),
        (Self::DeadlineExceeded, "DEADLINE_EXCEEDED", 504),
        (Self::NotFound, "NOT_FOUND", 404),
        (Self::AlreadyExists, "ALREADY_EXISTS", 409),
        (Self::PermissionDenied, "PERMISSION_DENIED", 403),
        (Self::ResourceExhausted, "RESOURCE_EXHAUSTED", 429),
        (Self::FailedPrecondition, "FAILED_PRECONDITION", 400),
        (Self::Aborted, "ABORTED", 409),
        (Self::OutOfRange, "OUT_OF_RANGE", 400),
        (Self::Unimplemented, "UNIMPLEMENTED", 501),
        (Self::Internal, "INTERNAL", 500),
        (Self::Unavailable, "UNAVAILABLE", 503),
        (Self::DataLoss, "DATA_LOSS", 500),
        (Self::Unauthenticated, "UNAUTHENTICATED", 401),
    ];

    /// The code with this number; numbers that gRPC does not define are `Unknown`.
    pub fn from_number(number: i32) -> Self {
        Self::ALL.iter().map(|row| row.0).find(|code| *code as i32 == number).unwrap_or(Self::Unknown)
    }

    /// Its name as gRPC spells it, such as `NOT_FOUND`.
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize - 1].1
    }

    /// The HTTP status that google.api's mapping gives it.
    pub fn http_status(self) -> StatusCode {
        StatusCode::from_u16(Self::ALL[self as usize - 1].2).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

/// What is wrong with one field of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    pub field: String,
    pub message: String,
}

/// A failed call or request. Boxed: errors are rare, results are moved often.
#[derive(Debug, Clone)]
pub struct Error(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    code: Code,
    reason: String,
    message: String,
    status: Option<StatusCode>,
    violations: Vec<Violation>,
    details: Vec<Value>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Error {
    /// `reason` is stable and for programs (UPPER_SNAKE_CASE); `message` tells the developer what to do.
    pub fn new(code: Code, reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            code,
            reason: reason.into(),
            message: message.into(),
            status: None,
            violations: Vec::new(),
            details: Vec::new(),
            headers: Vec::new(),
        }))
    }

    /// A request field that cannot be accepted.
    pub fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        let (field, message) = (field.into(), message.into());
        let text = if field.is_empty() { message.clone() } else { format!("{field}: {message}") };
        Self::new(Code::InvalidArgument, "FIELD_INVALID", text).violation(field, message)
    }

    /// Something in the edge itself went wrong; `cause` goes to the log, never to the wire.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        tracing::error!(%cause, "internal error");
        Self::new(Code::Internal, "INTERNAL", "The edge could not handle this. Its log says why.")
    }

    pub fn status(mut self, status: StatusCode) -> Self {
        self.0.status = Some(status);
        self
    }

    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.0.reason = reason.into();
        self
    }

    pub fn violation(mut self, field: impl Into<String>, message: impl Into<String>) -> Self {
        self.0.violations.push(Violation { field: field.into(), message: message.into() });
        self
    }

    /// Adds a `google.rpc` detail, already as JSON.
    pub fn detail(mut self, detail: Value) -> Self {
        self.0.details.push(detail);
        self
    }

    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// Adds advice to the message, in parentheses.
    pub fn hint(mut self, hint: &str) -> Self {
        self.0.message = format!("{} ({hint})", self.0.message);
        self
    }

    /// Says when to try again: `Retry-After`, rounded up to seconds (RFC 9110, section 10.2.3).
    pub fn retry_after(self, delay: Duration) -> Self {
        let seconds = u64::from(delay.subsec_nanos() > 0) + delay.as_secs();
        self.header(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)))
    }

    pub fn code(&self) -> Code {
        self.0.code
    }

    pub fn reason_text(&self) -> &str {
        &self.0.reason
    }

    pub fn message(&self) -> &str {
        &self.0.message
    }

    pub fn violations(&self) -> &[Violation] {
        &self.0.violations
    }

    /// Headers of the response, such as `Retry-After`.
    pub fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.0.headers
    }

    pub fn http_status(&self) -> StatusCode {
        self.0.status.unwrap_or_else(|| self.0.code.http_status())
    }

    /// The problem details of RFC 9457, section 3.
    pub fn to_problem(&self) -> Value {
        let inner = &self.0;
        let status = self.http_status();
        let mut problem = Map::new();
        problem.insert("type".into(), json!("about:blank"));
        problem.insert("title".into(), json!(status.canonical_reason().unwrap_or("Client Closed Request")));
        problem.insert("status".into(), json!(status.as_u16()));
        problem.insert("detail".into(), json!(inner.message));
        problem.insert("code".into(), json!(inner.code.name()));
        problem.insert("reason".into(), json!(inner.reason));
        if !inner.violations.is_empty() {
            let errors = inner.violations.iter().map(|v| json!({ "field": v.field, "message": v.message }));
            problem.insert("errors".into(), errors.collect());
        }
        if !inner.details.is_empty() {
            problem.insert("details".into(), json!(inner.details));
        }
        if let Some(trace_id) = telemetry::trace_id() {
            problem.insert("trace_id".into(), json!(trace_id));
        }
        Value::Object(problem)
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}): {}", self.0.code.name(), self.0.reason, self.0.message)
    }
}

impl std::error::Error for Error {}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let body = Bytes::from(self.to_problem().to_string());
        let content_type = HeaderValue::from_static("application/problem+json");
        let mut response = (self.http_status(), [(header::CONTENT_TYPE, content_type)], body).into_response();
        for (name, value) in &self.0.headers {
            response.headers_mut().append(name, value.clone());
        }
        // Kept for the guards further out, which may answer it in another form.
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_the_status_of_the_canonical_table() {
        let statuses: Vec<u16> = (1..=16).map(|n| Code::from_number(n).http_status().as_u16()).collect();
        assert_eq!(
            statuses,
            [499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401]
        );
        assert_eq!(Code::from_number(17), Code::Unknown);
        assert_eq!(Code::from_number(-1), Code::Unknown);
    }

    #[test]
    fn a_problem_names_field_and_reason() {
        let problem = Error::field("user.name", "must not be empty").to_problem();
        assert_eq!(problem["errors"][0]["field"], "user.name");
        assert_eq!(problem["reason"], "FIELD_INVALID");
        assert_eq!(problem["status"], 400);
    }
}
