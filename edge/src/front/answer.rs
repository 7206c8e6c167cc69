//! Writes the answer of a unary call.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

use crate::error::{Code, Error, Result};
use crate::transcode::{write_field_json, write_json};
use crate::upstream::{Reply, metadata};

use super::cookie_rules;
use super::etag::{etag, is_known};
use super::exchange::Exchange;

const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// The answer as JSON, with its validator, its cookies and the metadata that may pass.
pub fn answer(exchange: &Exchange, reply: &Reply) -> Result<Response> {
    let method = &exchange.binding.method;
    let (plan, answer) = (&method.plan, &reply.message);
    let mut json = Vec::new();
    let written = match &exchange.binding.response_body {
        Some(field) => write_field_json(plan, method.output, field.number(), answer, &mut json),
        None => write_json(plan, method.output, answer, &mut json),
    };
    written.map_err(unreadable)?;
    let head = &exchange.head;
    let etag = if head.method.is_safe() { etag(&json) } else { None };
    if let Some(etag) = etag.as_ref().filter(|etag| is_known(&head.headers, etag)) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, etag.clone())]).into_response());
    }
    let mut response = ([(header::CONTENT_TYPE, JSON)], json).into_response();
    let headers = response.headers_mut();
    if let Some(etag) = etag {
        headers.insert(header::ETAG, etag);
        // Kept by the browser alone, and asked about before it is used.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    }
    // The call was made: a bad header of its answer must not make it a failure.
    for (name, value) in
        &metadata::pass(&reply.metadata, &exchange.front.response_headers).unwrap_or_default()
    {
        headers.append(name, value.clone());
    }
    cookie_rules::write(&exchange.front, method, answer, headers);
    Ok(response)
}

fn unreadable(cause: impl std::fmt::Display) -> Error {
    tracing::error!(%cause, "the backend's answer cannot be written as JSON");
    Error::new(
        Code::Internal,
        "UPSTREAM_MESSAGE_INVALID",
        "The backend sent an answer that cannot be written as JSON.",
    )
    .status(StatusCode::BAD_GATEWAY)
}
