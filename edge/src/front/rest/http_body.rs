//! Answers that are a google.api.HttpBody: the bytes as they are, with the backend's content type.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, header};

use crate::error::{Code, Error, Result};
use crate::schema::{Binding, FieldPath};
use crate::transcode::wire::Malformed;
use crate::transcode::{http_body, pick};

/// What the backend gave as HTTP body.
#[derive(Debug)]
pub struct Raw {
    pub content_type: HeaderValue,
    pub data: Bytes,
}

/// A browser must not guess another type than the backend names: what it guesses may run as a page of this origin.
pub const NO_SNIFFING: (HeaderName, HeaderValue) =
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));

/// Takes the HttpBody out of an answer: the whole message, or the field that `response_body` names.
pub fn raw(binding: &Binding, message: &Bytes) -> Result<Raw> {
    let (content_type, data) = read(binding, message).map_err(|cause| {
        tracing::error!(%cause, method = binding.method.name(), "the backend's answer is no HttpBody");
        let message = "The backend sent an answer that does not fit its declaration.";
        Error::new(Code::Internal, "UPSTREAM_MESSAGE_INVALID", message).status(http::StatusCode::BAD_GATEWAY)
    })?;
    let content_type = Some(content_type).filter(|kind| !kind.is_empty());
    let content_type = content_type.and_then(|kind| HeaderValue::from_str(&kind).ok());
    // RFC 9110, section 8.3: what is not said is this.
    let content_type = content_type.unwrap_or(HeaderValue::from_static("application/octet-stream"));
    Ok(Raw { content_type, data })
}

fn read(binding: &Binding, message: &Bytes) -> Result<(String, Bytes), Malformed> {
    match &binding.response_body {
        None => http_body(message),
        Some(field) => {
            http_body(&Bytes::from(pick::message(&FieldPath::from(field.clone()), message)?.into_owned()))
        }
    }
}
