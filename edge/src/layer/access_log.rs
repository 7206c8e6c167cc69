//! One span and one log line a request, with an id that the answer repeats.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::trace::TraceContextExt;
use tokio::time::Instant;
use tracing::{Instrument, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use uuid::Uuid;

use crate::telemetry;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACE_RESPONSE: HeaderName = HeaderName::from_static("traceresponse");

/// What was matched, put into a response's extensions: the route's template, never the path, which may hold data.
#[derive(Debug, Clone)]
pub struct RouteName(pub String);

/// Wraps a request in a span that continues the browser's trace.
pub async fn access_log(mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request_id(request.headers());
    request.headers_mut().insert(REQUEST_ID, id.clone());
    let method = request.method().clone();
    let span = info_span!(
        "edge.request",
        otel.kind = "server",
        http.request.method = %method,
        http.route = tracing::field::Empty,
        http.response.status_code = tracing::field::Empty,
        request_id = id.to_str().unwrap_or_default(),
    );
    // Fails only when the span is already running, or when traces are off.
    let _ = span.set_parent(telemetry::parent(request.headers()));

    let mut response = next.run(request).instrument(span.clone()).await;

    let _entered = span.enter();
    let status = response.status().as_u16();
    let route = response.extensions().get::<RouteName>().map_or("-", |route| route.0.as_str());
    span.record("http.route", route);
    span.record("http.response.status_code", status);
    let milliseconds = started.elapsed().as_secs_f64() * 1000.0;
    tracing::info!(%method, route, status, milliseconds, "request");
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, id);
    if let Some(value) = trace_response() {
        headers.insert(TRACE_RESPONSE, value);
    }
    response
}

/// The caller's id when it is a plain one, else a new one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let given = headers.get(&REQUEST_ID).filter(|value| {
        let bytes = value.as_bytes();
        (1..=64).contains(&bytes.len())
            && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(b))
    });
    let new = || HeaderValue::from_str(&Uuid::new_v4().to_string()).unwrap_or(HeaderValue::from_static("-"));
    given.cloned().unwrap_or_else(new)
}

/// W3C Trace Context Level 2, section 3.4: tells the browser which trace its request belongs to.
fn trace_response() -> Option<HeaderValue> {
    let context = opentelemetry::Context::current();
    let span = context.span().span_context().clone();
    let value = format!("00-{}-{}-{:02x}", span.trace_id(), span.span_id(), span.trace_flags().to_u8());
    span.is_valid().then(|| HeaderValue::from_str(&value).ok())?
}
