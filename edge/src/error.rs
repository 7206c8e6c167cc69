//! One error for every face: it knows its gRPC code, HTTP status and problem body.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};

use crate::reasons;
use crate::telemetry;

pub use crate::code::Code;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What is wrong with one field of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    pub field: String,
    pub message: String,
}

/// A `google.rpc` detail as the backend sent it, and as JSON.
#[derive(Debug, Clone, PartialEq)]
pub struct Detail {
    pub type_url: String,
    pub value: Bytes,
    /// With its `@type`; of a type that is not known, its bytes as base64.
    pub json: Value,
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
    /// `None`: the error is the edge's own, and its details follow from the rest of it.
    details: Option<Vec<Detail>>,
    /// Message and details that are for the log and for developers only.
    withheld: Option<(String, Option<Vec<Detail>>)>,
    retry_after: Option<Duration>,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Of the request that it answered.
    trace_id: Option<String>,
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
            details: None,
            withheld: None,
            retry_after: None,
            headers: Vec::new(),
            trace_id: None,
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

    /// Gives another reason; details of the backend told of the old one, and go.
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.0.reason = reason.into();
        self.0.details = None;
        self
    }

    pub fn violation(mut self, field: impl Into<String>, message: impl Into<String>) -> Self {
        self.0.violations.push(Violation { field: field.into(), message: message.into() });
        self
    }

    /// The details that the backend sent, all of them: reason and violations are read from them, and they stay.
    pub fn details(mut self, details: Vec<Detail>) -> Self {
        self.0.details = Some(details);
        self
    }

    /// Puts a message and details aside, and shows these instead.
    pub fn withhold(mut self, message: impl Into<String>, details: Option<Vec<Detail>>) -> Self {
        let message = std::mem::replace(&mut self.0.message, message.into());
        let details = std::mem::replace(&mut self.0.details, details);
        self.0.withheld = Some((message, details));
        self
    }

    /// Shows what was put aside, for callers who may see it.
    pub fn reveal(mut self) -> Self {
        if let Some((message, details)) = self.0.withheld.take() {
            self.0.message = message;
            self.0.details = details;
        }
        self
    }

    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// Adds advice to the message, in parentheses.
    pub fn hint(mut self, hint: &str) -> Self {
        let withheld = self.0.withheld.as_mut().map(|(message, _)| message);
        for message in [&mut self.0.message].into_iter().chain(withheld) {
            *message = format!("{message} ({hint})");
        }
        self
    }

    /// Says when to try again: `Retry-After`, rounded up to seconds (RFC 9110, section 10.2.3).
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.0.retry_after = Some(delay);
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

    /// The backend's details; `None` when the error is the edge's own.
    pub fn backend_details(&self) -> Option<&[Detail]> {
        self.0.details.as_deref()
    }

    /// When to try again.
    pub fn retry_delay(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Headers of the response, such as `Retry-After`.
    pub fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.0.headers
    }

    pub fn http_status(&self) -> StatusCode {
        self.0.status.unwrap_or_else(|| self.0.code.http_status())
    }

    /// The type of the problem: a place in the table of reasons. What a backend gives as its reason is not ours to explain.
    fn kind(&self) -> String {
        let known = self.0.details.is_none().then(|| reasons::find(&self.0.reason)).flatten();
        known.map_or("about:blank".into(), |reason| format!("{}#{}", reasons::PATH, reason.name))
    }

    /// The problem details of RFC 9457, section 3.
    pub fn to_problem(&self) -> Value {
        let inner = &self.0;
        let status = self.http_status();
        let mut problem = Map::new();
        problem.insert("type".into(), json!(self.kind()));
        problem.insert("title".into(), json!(status.canonical_reason().unwrap_or("Client Closed Request")));
        problem.insert("status".into(), json!(status.as_u16()));
        problem.insert("detail".into(), json!(inner.message));
        problem.insert("code".into(), json!(inner.code.name()));
        problem.insert("reason".into(), json!(inner.reason));
        if !inner.violations.is_empty() {
            let errors = inner.violations.iter().map(|v| json!({ "field": v.field, "message": v.message }));
            problem.insert("errors".into(), errors.collect());
        }
        if let Some(details) = inner.details.as_ref().filter(|details| !details.is_empty()) {
            problem.insert("details".into(), details.iter().map(|detail| detail.json.clone()).collect());
        }
        if let Some(trace_id) = inner.trace_id.clone().or_else(telemetry::trace_id) {
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
    fn into_response(mut self) -> Response {
        // The guards further out are not inside the request's span.
        self.0.trace_id = self.0.trace_id.take().or_else(telemetry::trace_id);
        let body = Bytes::from(self.to_problem().to_string());
        let content_type = HeaderValue::from_static("application/problem+json");
        let mut response = (self.http_status(), [(header::CONTENT_TYPE, content_type)], body).into_response();
        // What is missing or forbidden now may not be in a moment.
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
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
    fn a_problem_names_field_and_reason() {
        let problem = Error::field("user.name", "must not be empty").to_problem();
        assert_eq!(problem["errors"][0]["field"], "user.name");
        assert_eq!(problem["reason"], "FIELD_INVALID");
        assert_eq!(problem["status"], 400);
    }

    #[test]
    fn what_is_withheld_is_shown_only_when_revealed() {
        let detail =
            Detail { type_url: "t/x.Y".into(), value: Bytes::new(), json: json!({ "@type": "t/x.Y" }) };
        let error = Error::new(Code::Internal, "INTERNAL", "row 7 of users").details(vec![detail]);
        let error = error.withhold("The backend failed.", Some(Vec::new()));
        assert_eq!(error.message(), "The backend failed.");
        assert_eq!(error.to_problem().get("details"), None);
        assert!(!format!("{error}").contains("row 7"));
        let problem = error.reveal().to_problem();
        assert_eq!(problem["detail"], "row 7 of users");
        assert_eq!(problem["details"][0]["@type"], "t/x.Y");
    }
}
