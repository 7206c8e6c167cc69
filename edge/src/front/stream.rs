//! Server streams as SSE, NDJSON and JSON arrays.

use axum::response::{IntoResponse, Response};
use http::StatusCode;

use crate::cursor::{Cursor, Token};
use crate::deliver::{Array, Framing, Lines, Pace, Sse, body, jittered};
use crate::error::{Code, Error, Result};
use crate::hub::{Reader, subscriptions};
use crate::layer::stream_headers;
use crate::schema::method::Stream;
use crate::transcode::Parameter;

use super::accept::Face;
use super::exchange::Exchange;

/// What is opened for a browser, or that nothing is left to open.
#[derive(Debug)]
pub enum Opened {
    Reader(Reader),
    /// The cursor says that the stream had ended.
    Ended,
}

/// Opens the stream and answers with it.
pub async fn stream(exchange: &Exchange, rule: &Stream, face: Face) -> Result<Response> {
    let parameters = exchange.parameters()?;
    let reader = match open(exchange, rule, &parameters).await? {
        Opened::Reader(reader) => reader,
        Opened::Ended => return Ok(StatusCode::NO_CONTENT.into_response()),
    };
    let config = &exchange.front.config;
    // Each connection its own: a common `retry:` would bring all browsers back at once.
    let retry = config.streams.retry.mul_f64(0.5 + rand::random::<f64>());
    let pace = Pace {
        heartbeat: rule.heartbeat.unwrap_or(config.streams.heartbeat),
        max_age: rule.max_age,
        retry,
        drain: exchange.front.drain.clone(),
        drain_window: config.drain.window,
    };
    let heartbeat_events = parameters.iter().any(|p| p.name == "heartbeat" && p.value == "event");
    let (framing, content_type): (Box<dyn Framing>, _) = match face {
        Face::Sse => (Box::new(Sse { retry, heartbeat_events }), "text/event-stream; charset=utf-8"),
        Face::Array => (Box::new(Array::default()), "application/json; charset=utf-8"),
        _ => (Box::new(Lines { durable: rule.durable.is_some() }), "application/x-ndjson; charset=utf-8"),
    };
    Ok((stream_headers(content_type), body(reader, framing, pace)).into_response())
}

/// Opens the streams that a request names, each from its part of the cursor.
pub async fn open(exchange: &Exchange, rule: &Stream, parameters: &[Parameter]) -> Result<Opened> {
    if exchange.front.drain.is_cancelled() {
        let message = "This edge is shutting down. Connect again in a moment.";
        return Err(Error::new(Code::Unavailable, "DRAINING", message)
            .retry_after(jittered(exchange.front.config.drain.window)));
    }
    let last_event_id = exchange.head.headers.get("last-event-id").map(|id| id.to_str().unwrap_or_default());
    let in_query = parameters
        .iter()
        .find(|parameter| parameter.name == "cursor")
        .map(|parameter| parameter.value.as_str());
    // EventSource repeats its first URL: what it saw last is newer.
    let given = last_event_id.or(in_query).filter(|cursor| !cursor.is_empty());
    // A token that cannot be read names no stream, so that each of them tells of a gap.
    let cursor = given.map(|text| Cursor::parse(text).unwrap_or_else(|_| Cursor::Token(Token::default())));
    if matches!(&cursor, Some(Cursor::Token(token)) if token.is_end()) {
        return Ok(Opened::Ended);
    }
    let rest: Vec<Parameter> =
        parameters.iter().filter(|p| !matches!(p.name.as_str(), "cursor" | "heartbeat")).cloned().collect();
    let request = exchange.message(&rest)?;
    let method = &exchange.binding.method;
    let streams = subscriptions(method, rule, &request, cursor.as_ref(), last_event_id.is_some())?;
    let peek = exchange.front.config.streams.peek;
    let reader = Reader::open(&exchange.front.upstream, &exchange.call(false)?, streams, peek).await?;
    Ok(Opened::Reader(reader))
}
