//! Server streams as SSE, NDJSON and JSON arrays.

use axum::response::{IntoResponse, Response};
use http::StatusCode;

use crate::cursor::{Cursor, Token};
use crate::deliver::{
    Array, Framing, GatewayLines, Lasting, Lines, Pace, Sse, body, held, jittered, stream_headers,
};
use crate::ending::Ending;
use crate::error::{Code, Error, Result};
use crate::error_style::ErrorStyle;
use crate::hub::subscription::{Given, Resume};
use crate::hub::{Ask, Reader, Reading, subscriptions};
use crate::layer::{Caller, StreamPlace};
use crate::schema::method::Stream;
use crate::transcode::Parameter;

use super::exchange::Exchange;
use super::head::Face;

/// What is opened for a browser, or that nothing is left to open.
#[derive(Debug)]
pub enum Opened {
    /// Its place must be held as long as it is read.
    Reader(Reader, StreamPlace),
    /// The cursor says that the stream had ended.
    Ended,
}

/// Opens the stream and answers with it.
pub async fn stream(exchange: &Exchange, rule: &Stream, face: Face) -> Result<Response> {
    let parameters = exchange.parameters()?;
    let heartbeat_events = heartbeat_events(exchange, &parameters)?;
    let (reader, place) = match open(exchange, rule, &parameters).await? {
        Opened::Reader(reader, place) => (reader, place),
        Opened::Ended => return Ok(StatusCode::NO_CONTENT.into_response()),
    };
    let config = &exchange.front.config;
    // Each connection its own: a common `retry:` would bring all browsers back at once.
    let retry = config.streams.retry.mul_f64(0.5 + rand::random::<f64>());
    let pace = Pace {
        heartbeat: rule.heartbeat.unwrap_or(config.streams.heartbeat),
        max_age: rule.max_age,
        standing: exchange.caller.standing(),
        deadline: exchange.call(false)?.deadline,
        retry,
        drain: exchange.front.drain.clone(),
        errors: ErrorStyle::of(config),
        ending: Ending::default(),
    };
    let ending = pace.ending.clone();
    let (framing, content_type): (Box<dyn Framing>, _) = match face {
        Face::Sse => (Box::new(Sse { retry, heartbeat_events }), "text/event-stream; charset=utf-8"),
        Face::GatewayLines => (Box::new(GatewayLines), "application/json"),
        Face::Array => (Box::new(Array::default()), "application/json; charset=utf-8"),
        _ => (Box::new(Lines { durable: rule.durable.is_some() }), "application/x-ndjson; charset=utf-8"),
    };
    let mut response =
        (stream_headers(content_type), held(body(reader, framing, pace), place)).into_response();
    response.extensions_mut().insert(ending);
    // A connection that carries what soon ends is used again.
    if matches!(face, Face::Sse) || rule.durable.is_some() {
        response.extensions_mut().insert(Lasting);
    }
    Ok(response)
}

/// Whether heartbeats are events that page code can see.
pub fn heartbeat_events(exchange: &Exchange, parameters: &[Parameter]) -> Result<bool> {
    let given = parameters.iter().find(|parameter| is_heartbeat(exchange, parameter));
    match given.map(|parameter| parameter.value.as_str()) {
        None => Ok(false),
        Some("event") => Ok(true),
        Some(_) => Err(Error::field("heartbeat", "can only be `event`; leave it out for comments")),
    }
}

/// A backend may have a field of this name for itself.
fn is_heartbeat(exchange: &Exchange, parameter: &Parameter) -> bool {
    let input = exchange.binding.method.descriptor.input();
    parameter.name == "heartbeat" && input.get_field_by_name("heartbeat").is_none()
}

/// Opens the streams that a request names, each from its part of the cursor.
pub async fn open(exchange: &Exchange, rule: &Stream, parameters: &[Parameter]) -> Result<Opened> {
    if exchange.front.drain.begun().is_cancelled() {
        let message = "This edge is shutting down. Connect again in a moment.";
        return Err(Error::new(Code::Unavailable, "DRAINING", message)
            .retry_after(jittered(exchange.front.config.drain.window)));
    }
    let (cursor, rest) = cursor(exchange, rule, parameters);
    let request = exchange.message(&rest)?;
    let method = &exchange.binding.method;
    let streams = subscriptions(method, rule, request, cursor)?;
    if streams.iter().all(|stream| stream.resume == Resume::Ended) {
        return Ok(Opened::Ended);
    }
    let place = exchange.front.stream_limit.admit(&exchange.caller, &exchange.head.extensions)?;
    let call = exchange.call(false)?.apart();
    let expires = exchange.caller.claims.as_ref().map_or(0, |claims| claims.exp);
    let ask = Ask { subscriptions: streams, reading: reading(&exchange.caller), call, expires };
    Ok(Opened::Reader(exchange.front.hub.subscribe(ask).await?, place))
}

/// Who reads, as far as streams are shared by that.
pub fn reading(caller: &Caller) -> Reading {
    match &caller.claims {
        Some(claims) => {
            Reading::Caller { issuer: claims.iss.clone(), subject: claims.sub.clone(), rights: claims.rights }
        }
        None => Reading::of_credential(caller.authorization.as_ref()),
    }
}

/// The browser's cursor, and the parameters that are left for the request.
fn cursor(exchange: &Exchange, rule: &Stream, parameters: &[Parameter]) -> (Option<Given>, Vec<Parameter>) {
    // A backend without a StreamRule may have a field of this name for itself.
    let is_cursor = |parameter: &Parameter| {
        parameter.name == "cursor" && (rule.durable.is_some() || parameter.value.starts_with("lm1."))
    };
    let is_own = |parameter: &Parameter| is_cursor(parameter) || is_heartbeat(exchange, parameter);
    let (own, rest): (Vec<_>, Vec<_>) = parameters.iter().cloned().partition(is_own);
    let in_query =
        own.into_iter().find(|parameter| parameter.name == "cursor" && !parameter.value.is_empty());
    let header = exchange.head.headers.get("last-event-id").filter(|id| !id.is_empty());
    // EventSource repeats its first URL: what it saw last is newer.
    let given = match (header, in_query) {
        (Some(id), _) => Some(Given { cursor: parse(id.to_str().unwrap_or("lm1.")), by_browser: true }),
        (None, Some(parameter)) => Some(Given { cursor: parse(&parameter.value), by_browser: false }),
        (None, None) => None,
    };
    (given, rest)
}

/// A token that cannot be read names no stream, so that each of them tells of a gap.
fn parse(text: &str) -> Cursor {
    Cursor::parse(text).unwrap_or_else(|_| Cursor::Token(Token::default()))
}
