//! One span and one log line a request, with an id that the answer repeats. The line of a stream comes when it ends.

use std::sync::Arc;

use axum::extract::Request;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use http_body::Body;
use opentelemetry::trace::{FutureExt, TraceContextExt};
use opentelemetry::{Context, KeyValue};
use tokio::time::Instant;

use crate::deliver::held;
use crate::ending::Ending;
use crate::header_table::unindexed;
use crate::telemetry::{self, Traces};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACE_RESPONSE: HeaderName = HeaderName::from_static("traceresponse");

/// What was matched, put into a response's extensions: the route's template, never the path, which may hold data.
#[derive(Debug, Clone)]
pub struct RouteName(pub Arc<str>);

/// Wraps a request in a span that continues the browser's trace.
pub async fn access_log<'a, F>(
    traces: &Traces,
    request: &'a mut Request,
    next: impl FnOnce(&'a mut Request) -> F,
) -> Response
where
    F: Future<Output = Response>,
{
    let started = Instant::now();
    let context = traces.begin("edge.request", request.headers());
    let id = request_id(request.headers(), &context);
    request.headers_mut().insert(REQUEST_ID, id.clone());
    let method = request.method().clone();

    let response = next(request).with_context(context.clone()).await;

    let status = response.status().as_u16();
    let route = response.extensions().get::<RouteName>().cloned();
    let name = || route.as_ref().map_or("-", |route| &*route.0);
    telemetry::end(&context, || {
        vec![
            KeyValue::new("http.request.method", method.to_string()),
            KeyValue::new("http.route", name().to_owned()),
            KeyValue::new("http.response.status_code", i64::from(status)),
            KeyValue::new("request_id", id.to_str().unwrap_or_default().to_owned()),
        ]
    });
    let traceparent = unindexed(telemetry::traceparent(context.span().span_context()));
    let line = Line { context, method, route, status, started, ending: response.extensions().get().cloned() };
    let mut response = match line.ending.is_some() && response.body().size_hint().exact().is_none() {
        true => response.map(|body| held(body, line)),
        false => response,
    };
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, id);
    // W3C Trace Context Level 2, section 3.4: tells the browser which trace its request belongs to.
    headers.insert(TRACE_RESPONSE, traceparent);
    response
}

/// The log line of a request, written when it is dropped.
struct Line {
    context: Context,
    method: Method,
    route: Option<RouteName>,
    status: u16,
    started: Instant,
    /// Of a stream.
    ending: Option<Ending>,
}

impl Drop for Line {
    fn drop(&mut self) {
        // For the ids of the trace.
        let _attached = self.context.clone().attach();
        let Self { method, status, .. } = self;
        let route = self.route.as_ref().map_or("-", |route| &*route.0);
        let ended = self.ending.as_ref().map(Ending::text);
        let milliseconds = self.started.elapsed().as_secs_f64() * 1000.0;
        tracing::info!(%method, route, status, ended, milliseconds, "request");
    }
}

/// The caller's id when it is a plain one, else that of the span.
fn request_id(headers: &HeaderMap, context: &Context) -> HeaderValue {
    let given = headers.get(&REQUEST_ID).filter(|value| {
        let bytes = value.as_bytes();
        (1..=64).contains(&bytes.len())
            && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(b))
    });
    unindexed(given.cloned().unwrap_or_else(|| telemetry::span_id(context.span().span_context())))
}
