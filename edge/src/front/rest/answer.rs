//! Writes the answer of a unary call.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::config::rest::Compat;
use crate::error::{Code, Error, Result};
use crate::schema::FieldPath;
use crate::transcode::{pick, write_field_json, write_json};
use crate::upstream::{Reply, metadata};

use super::super::cookie_rules;
use super::super::exchange::Exchange;
use super::super::head::Face;
use super::super::head::{Tags, etag};
use super::envelope;
use super::http_body::{NO_SNIFFING, raw};

const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// The answer in the form of its face, with its validator, its cookies and the metadata that may pass.
pub fn answer(exchange: &Exchange, reply: &Reply, face: Face) -> Result<Response> {
    let (content_type, body) = match face {
        Face::Protobuf(content_type) => (HeaderValue::from_static(content_type), protobuf(exchange, reply)?),
        Face::Raw => raw(&exchange.binding, &reply.message).map(|raw| (raw.content_type, raw.data))?,
        _ => (JSON, json(exchange, reply)?.into()),
    };
    let is_safe = exchange.head.method.is_safe();
    let etag = if is_safe { etag(&body, resource_etag(exchange, reply)) } else { None };
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    // Room for those of the guards too.
    headers.reserve(12);
    headers.insert(header::CONTENT_TYPE, content_type);
    headers.insert(NO_SNIFFING.0, NO_SNIFFING.1);
    // As the guards would write it.
    headers.insert(header::VARY, HeaderValue::from_static("Accept, Accept-Encoding, Origin"));
    if let Some(etag) = &etag {
        headers.insert(header::ETAG, etag.clone());
        // Kept by the browser alone, and asked about before it is used.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    }
    for (name, value) in &shown(exchange, reply) {
        headers.append(name, value.clone());
    }
    cookie_rules::write(&exchange.front, &exchange.binding.method, &reply.message, headers);
    let known = Tags::read(&exchange.head.headers, &header::IF_NONE_MATCH);
    Ok(if etag.is_some_and(|etag| known.hold(&etag)) { not_modified(response) } else { response })
}

fn json(exchange: &Exchange, reply: &Reply) -> Result<Vec<u8>> {
    let (method, envelope) = (&exchange.binding.method, exchange.front.config.rest.envelope);
    let (plan, answer) = (&method.plan, &reply.message);
    let mut json = envelope::opening(envelope).to_vec();
    let written = match &exchange.binding.response_body {
        Some(field) => write_field_json(plan, method.output, field.number(), answer, &mut json),
        None => write_json(plan, method.output, answer, &mut json),
    };
    written.map_err(unreadable)?;
    json.extend_from_slice(envelope::closing(envelope));
    Ok(json)
}

/// The bytes as they came, or those of the field that is answered with.
fn protobuf(exchange: &Exchange, reply: &Reply) -> Result<Bytes> {
    match &exchange.binding.response_body {
        None => Ok(reply.message.clone()),
        Some(field) => {
            let part = pick::message(&FieldPath::from(field.clone()), &reply.message).map_err(unreadable)?;
            Ok(part.into_owned().into())
        }
    }
}

/// The etag that the answered resource has of its own; empty when it has none.
fn resource_etag<'a>(exchange: &Exchange, reply: &'a Reply) -> &'a str {
    let path = exchange.binding.headers.etag.as_ref();
    path.and_then(|path| pick::text(path, &reply.message).ok()).unwrap_or_default()
}

/// The metadata that may pass.
fn shown(exchange: &Exchange, reply: &Reply) -> HeaderMap {
    let allowed = &exchange.front.response_headers;
    match exchange.front.config.rest.compat {
        Compat::GrpcGateway => metadata::show_to_gateway(&reply.metadata, allowed),
        Compat::None => metadata::show(&reply.metadata, allowed),
    }
}

/// RFC 9110, section 15.4.5: the headers of the answer it stands for, without what describes a body.
fn not_modified(mut response: Response) -> Response {
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    *response.body_mut() = Body::empty();
    response.headers_mut().remove(header::CONTENT_TYPE);
    response.headers_mut().remove(header::CONTENT_LENGTH);
    response
}

fn unreadable(cause: impl std::fmt::Display) -> Error {
    tracing::error!(%cause, "the backend's answer cannot be read");
    Error::new(
        Code::Internal,
        "UPSTREAM_MESSAGE_INVALID",
        "The backend sent an answer that is not of the type it declares.",
    )
    .status(StatusCode::BAD_GATEWAY)
}
