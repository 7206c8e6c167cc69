//! Connect's unary calls: bare messages of the client's codec, and errors with a real HTTP status.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::error::Result;
use crate::schema::Plan;
use crate::transcode::ReadOptions;
use crate::upstream::envelope::envelope;
use crate::upstream::gzip::Encoding;
use crate::upstream::{Sending, metadata};

use super::super::call::Call;
use super::super::fault::Fault;
use super::super::kind::Codec;
use super::super::messages::Messages;
use super::super::trailers;
use super::super::unary::collect;
use super::accepted::accepted;
use super::error::{code, error_json};
use super::get;
use crate::front::body::Incoming;
use crate::front::cookie_rules;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PROTO: HeaderValue = HeaderValue::from_static("application/proto");

/// Makes the call with the body and answers with what it gives.
pub async fn answer(call: &Call, body: Body, codec: Codec) -> Result<Response> {
    let (limits, headers) = (&call.front.config.limits, &call.head.headers);
    Encoding::of(headers, &header::CONTENT_ENCODING)?;
    let body = Incoming::new(limits, limits.body_bytes, headers, body)?;
    let message = call.in_time(body.collect()).await?;
    exchange(call, codec, message).await
}

/// Makes the call with the message in the query.
pub async fn answer_get(call: &Call) -> Result<Response> {
    let query = call.head.uri.query().unwrap_or_default();
    let (codec, message) = get::parse(query, call.front.config.limits.body_bytes)?;
    let mut response = exchange(call, codec, message).await?;
    // What a GET gives may depend on a cookie, which caches do not look at.
    let private = HeaderValue::from_static("private, no-cache");
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(private);
    Ok(response)
}

async fn exchange(call: &Call, codec: Codec, message: Bytes) -> Result<Response> {
    let messages = Messages::new(codec, call.target.method(), ReadOptions::from(&call.front.config.rest))?;
    let mut message = messages.read(message)?;
    if let Some(method) = call.target.method() {
        message = cookie_rules::fill(&call.front, method, &call.head.headers, message);
    }
    let own = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"))]);
    let mut download = call.forward(own, Sending::Whole(envelope(0, &message)), Fault::default()).await?;

    let mut headers = metadata::show(&download.answer.headers, &download.allowed);
    let (message, trailers) = match collect(&mut download, call.front.config.limits.message_bytes).await? {
        Ok(answer) => answer,
        Err(trailers) => {
            add_trailers(&mut headers, &trailers);
            let mut response = failed(&trailers, code(&trailers).http_status(), Some(&call.schema.plan));
            response.headers_mut().extend(headers);
            return Ok(response);
        }
    };
    if let Some(method) = call.target.method() {
        cookie_rules::write(&call.front, method, &message, &mut headers);
    }
    add_trailers(&mut headers, &trailers);
    let mut response = Response::new(body(call, messages.write(message)?, &mut headers));
    headers.insert(header::CONTENT_TYPE, if codec == Codec::Json { JSON } else { PROTO });
    *response.headers_mut() = headers;
    Ok(response)
}

fn body(call: &Call, message: Bytes, headers: &mut HeaderMap) -> Body {
    headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
    match accepted(&call.head.headers, &header::ACCEPT_ENCODING).compress(&message) {
        Some(compressed) => {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            Body::from(compressed)
        }
        None => Body::from(message),
    }
}

/// A call that failed, before or after it reached the backend.
pub fn failed(trailers: &HeaderMap, status: StatusCode, plan: Option<&Plan>) -> Response {
    let mut response = Response::new(Body::from(error_json(trailers, plan).to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, JSON);
    if status == StatusCode::UNAUTHORIZED {
        let challenge = HeaderValue::from_static(r#"Bearer realm="lastmile""#);
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

/// Trailers follow in the head, under names that say so.
fn add_trailers(headers: &mut HeaderMap, trailers: &HeaderMap) {
    let is_status = |name| [trailers::STATUS, trailers::MESSAGE, trailers::DETAILS].contains(name);
    for (name, value) in trailers.iter().filter(|(name, _)| !is_status(name)) {
        if let Ok(name) = HeaderName::try_from(format!("trailer-{name}")) {
            headers.append(name, value.clone());
        }
    }
}
