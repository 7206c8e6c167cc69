//! Long poll: what comes within a while as one JSON array, with a link to what comes next.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::time::{Instant, timeout_at};

use crate::deliver::{Array, Chunk, Framing};
use crate::error::Result;
use crate::hub::{Item, Reader};
use crate::schema::method::Stream;

use super::exchange::Exchange;
use super::rest::envelope;
use super::stream::{Opened, heartbeat_events, open};

/// One answer holds about this much; the rest is for the next.
const ENOUGH_BYTES: usize = 256 * 1024;
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
const IN_QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Waits for events and answers with them: 200, or 204 when none came. Both carry `Link: <…>; rel="next"`.
pub async fn poll(exchange: &Exchange, rule: &Stream, wait: Duration) -> Result<Response> {
    let until = Instant::now() + wait;
    let until = exchange.call(false)?.deadline.map_or(until, |deadline| until.min(deadline));
    let parameters = exchange.parameters()?;
    // Here they would change nothing, but a misspelt one must not pass unnoticed.
    heartbeat_events(exchange, &parameters)?;
    let (mut reader, _place) = match open(exchange, rule, &parameters).await? {
        Opened::Reader(reader, place) => (reader, place),
        Opened::Ended => return Ok((StatusCode::NO_CONTENT, applied(wait)).into_response()),
    };
    let mut array = Array::default();
    let mut json = Chunk::new();
    array.open(reader.openings(), None, Duration::ZERO, &mut json);
    let told_gap = json.len() > 1;
    let events = collect(exchange, &mut reader, &mut array, &mut json, until).await?;
    array.end(None, &mut json);
    let json = json.into_bytes();

    let mut response = if events > 0 || told_gap {
        let envelope = exchange.front.config.rest.envelope;
        let json = [envelope::opening(envelope), &json, envelope::closing(envelope)].concat();
        ([(header::CONTENT_TYPE, "application/json; charset=utf-8")], json).into_response()
    } else {
        StatusCode::NO_CONTENT.into_response()
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.extend(applied(wait));
    if let Some(link) = reader.token().and_then(|token| next_link(exchange, &token)) {
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}

/// What became of the preference (RFC 7240, section 3).
fn applied(wait: Duration) -> HeaderMap {
    let value = HeaderValue::from_str(&format!("wait={}", wait.as_secs())).ok();
    value.into_iter().map(|value| (PREFERENCE_APPLIED, value)).collect()
}

/// Collects until the time is up, shortly after the first event: one answer for a burst, not one for each.
async fn collect(
    exchange: &Exchange,
    reader: &mut Reader,
    array: &mut Array,
    json: &mut Chunk,
    mut until: Instant,
) -> Result<usize> {
    let mut events = 0;
    let (standing, turn) = (exchange.caller.standing(), exchange.front.drain.one());
    while json.len() < ENOUGH_BYTES {
        let item = tokio::select! {
            item = timeout_at(until, reader.next()) => item,
            over = standing.over() => Ok(Err(over.error())),
            () = turn.comes() => break,
        };
        let Ok(item) = item else { break };
        match item {
            // What was collected is delivered; the next request meets the failure.
            Err(_) if events > 0 => break,
            Err(error) => return Err(error),
            Ok(None) => break,
            Ok(Some(entry)) => {
                array.item(&entry.item, reader, json);
                if entry.item != Item::Position {
                    if events == 0 {
                        until = until.min(Instant::now() + exchange.front.config.streams.coalesce);
                    }
                    events += 1;
                }
            }
        }
    }
    Ok(events)
}

/// The same request with the new cursor (RFC 8288).
fn next_link(exchange: &Exchange, token: &str) -> Option<HeaderValue> {
    let uri = &exchange.head.uri;
    let kept = uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty() && !pair.starts_with("cursor="));
    let cursor = format!("cursor={}", utf8_percent_encode(token, IN_QUERY));
    let query: Vec<&str> = kept.chain([cursor.as_str()]).collect();
    HeaderValue::from_str(&format!("<{}?{}>; rel=\"next\"", uri.path(), query.join("&"))).ok()
}
