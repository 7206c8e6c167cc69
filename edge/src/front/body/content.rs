//! What a request body holds, decided once by its headers and by the route.

use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::config::LimitsConfig;
use crate::error::{Code, Error, Result};
use crate::schema::Binding;
use crate::schema::method::Body;
use crate::transcode::Payload;

use super::incoming::Incoming;

/// What a request body holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    Json,
    /// A JSON document a line.
    Lines,
    Protobuf,
    /// Whatever it is, the backend gets it as google.api.HttpBody.
    Raw,
}

/// Reads a body whole.
///
/// # Errors
/// Those of [`Incoming`] and [`content`], and what makes protobuf unreadable.
pub async fn read_body(
    binding: &Binding,
    limits: &LimitsConfig,
    headers: &HeaderMap,
    body: axum::body::Body,
) -> Result<Payload> {
    let body = Incoming::new(limits, limits.body_bytes, headers, body)?.collect().await?;
    if binding.raw_body {
        return Ok(match (content_type(headers), body.is_empty()) {
            (None, true) => Payload::default(),
            (content_type, _) => Payload::raw(binding, content_type, &body),
        });
    }
    // What no message takes is refused with the message, whatever it is.
    if body.is_empty() || binding.body == Body::None {
        return Ok(Payload::Json(body));
    }
    match content(binding, headers)? {
        Content::Protobuf => Payload::protobuf(binding, body),
        Content::Json | Content::Lines | Content::Raw => Ok(Payload::Json(body)),
    }
}

/// A body without `Content-Type` is JSON.
///
/// # Errors
/// 415 with what is accepted in `Accept` (RFC 9110, section 15.5.16).
pub fn content(binding: &Binding, headers: &HeaderMap) -> Result<Content> {
    if binding.raw_body {
        return Ok(Content::Raw);
    }
    let Some(kind) = content_type(headers) else { return Ok(Content::Json) };
    let media = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_stream = binding.method.descriptor.is_client_streaming();
    match media.as_str() {
        "application/json" => Ok(Content::Json),
        "application/x-protobuf" | "application/protobuf" => Ok(Content::Protobuf),
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" if is_stream => {
            Ok(Content::Lines)
        }
        media if media.ends_with("+json") => Ok(Content::Json),
        _ => Err(unsupported(is_stream)),
    }
}

/// `Content-Type` as it was sent.
pub fn content_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap_or_default())
}

fn unsupported(is_stream: bool) -> Error {
    let (message, accepted) = match is_stream {
        true => (
            "Send the body as JSON with `Content-Type: application/json`, or as a JSON document a line with \
             `Content-Type: application/x-ndjson`.",
            "application/json, application/x-ndjson, application/protobuf",
        ),
        false => (
            "Send the body as JSON, with `Content-Type: application/json`.",
            "application/json, application/protobuf",
        ),
    };
    Error::new(Code::InvalidArgument, "CONTENT_TYPE_UNSUPPORTED", message)
        .status(StatusCode::UNSUPPORTED_MEDIA_TYPE)
        .header(header::ACCEPT, HeaderValue::from_static(accepted))
}
