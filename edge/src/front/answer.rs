//! Writes the answer of a unary call.

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};

use crate::error::{Code, Error, Result};
use crate::layer::Cookies;
use crate::transcode::{pick, write_field_json, write_json};
use crate::upstream::{Reply, metadata};

use super::etag::{etag, is_known};
use super::exchange::Exchange;
use super::http_body::{NO_SNIFFING, raw};

const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// How long cookies are kept, in seconds. Longer than the token in them lives: an expired one must still be sent, or a
/// stream could not be told that it has expired.
const MONTH: u64 = 30 * 24 * 3600;

/// The answer as JSON, or as the HTTP body that it is, with its validator, its cookies and the metadata that may pass.
pub fn answer(exchange: &Exchange, reply: &Reply) -> Result<Response> {
    let method = &exchange.binding.method;
    let answer = &reply.message;
    let (content_type, body) = body(exchange, answer)?;
    let head = &exchange.head;
    let etag = if head.method.is_safe() { etag(&body) } else { None };
    if let Some(etag) = etag.as_ref().filter(|etag| is_known(&head.headers, etag)) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, etag.clone())]).into_response());
    }
    let mut response = ([(header::CONTENT_TYPE, content_type), NO_SNIFFING], body).into_response();
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
    for cookie in cookies(exchange, answer) {
        headers.append(header::SET_COOKIE, cookie);
    }
    if !method.auth.set_cookie.is_empty() {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    Ok(response)
}

/// The body of an answer, and what it is.
fn body(exchange: &Exchange, answer: &Bytes) -> Result<(HeaderValue, Bytes)> {
    let binding = &exchange.binding;
    if binding.raw_answer {
        return raw(binding, answer).map(|raw| (raw.content_type, raw.data));
    }
    let (plan, output) = (&binding.method.plan, binding.method.output);
    let mut json = Vec::new();
    let written = match &binding.response_body {
        Some(field) => write_field_json(plan, output, field.number(), answer, &mut json),
        None => write_json(plan, output, answer, &mut json),
    };
    written.map(|()| (JSON, json.into())).map_err(unreadable)
}

/// The cookies that the method's AuthRule sets and clears.
fn cookies(exchange: &Exchange, answer: &[u8]) -> Vec<HeaderValue> {
    let auth = &exchange.binding.method.auth;
    let cookies = Cookies { secure: exchange.front.config.auth.secure_cookies };
    let set = auth.set_cookie.iter().filter_map(|(name, path)| match pick::text(path, answer) {
        Ok(value) if !value.is_empty() => cookies.set(name, value, Some(MONTH)),
        _ => None,
    });
    let cleared = auth.clear_cookie.iter().filter_map(|name| cookies.clear(name));
    set.chain(cleared).collect()
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
