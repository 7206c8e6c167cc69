//! Traces over OTLP, logs as JSON lines that carry the ids of their trace.

use std::io::{self, Write};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::global::{self, BoxedTracer};
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{
    Span, SpanBuilder, SpanContext, SpanId, SpanKind, TraceContextExt, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::HeaderExtractor;
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Flushes what is not exported yet when the process ends.
#[derive(Debug)]
pub struct Guard(SdkTracerProvider);

impl Guard {
    /// Exports the last spans; blocks, so call it when nothing else runs.
    pub fn flush(&self) {
        // A collector that hangs must not hold up the end.
        if let Err(error) = self.0.shutdown_with_timeout(Duration::from_secs(1)) {
            tracing::debug!(%error, "the last spans were not exported");
        }
    }
}

/// Starts telemetry; call it once, in `main`, inside a tokio runtime.
///
/// Spans are exported when `OTEL_EXPORTER_OTLP_ENDPOINT` or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` is set; `RUST_LOG`
/// filters the log (default `info`).
///
/// # Errors
/// A sentence when the exporter cannot be built.
pub fn init(service_name: &'static str) -> Result<Guard, String> {
    let resource = Resource::builder().with_service_name(service_name).build();
    let mut provider = SdkTracerProvider::builder().with_resource(resource);
    let wanted = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];
    let exports = wanted.iter().any(|name| std::env::var_os(name).is_some());
    if exports {
        let exporter = SpanExporter::builder().with_tonic().build().map_err(|error| error.to_string())?;
        provider = provider.with_batch_exporter(exporter);
    }
    let provider = provider.build();
    if exports {
        global::set_tracer_provider(provider.clone());
    }
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::registry().with(log_layer().with_filter(filter)).init();
    Ok(Guard(provider))
}

fn log_layer<S>() -> json_subscriber::JsonLayer<S, fn() -> io::Stderr>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    let mut layer = json_subscriber::JsonLayer::stderr();
    layer.with_timer("timestamp", tracing_subscriber::fmt::time::SystemTime);
    layer.with_level("level");
    layer.with_target("target");
    layer.with_flattened_event();
    layer.add_dynamic_field("trace_id", |_, _| trace_id());
    layer.add_dynamic_field("span_id", |_, _| current().map(|span| span.span_id().to_string()));
    layer
}

/// Begins the spans of requests.
#[derive(Debug)]
pub struct Traces(BoxedTracer);

impl Default for Traces {
    /// Exports to the process's tracer provider, if it has one by now.
    fn default() -> Self {
        Self(global::tracer("lastmile"))
    }
}

impl Traces {
    /// Begins a span below the one that the request's `traceparent` names; an invalid one begins a new trace.
    pub fn begin(&self, name: &'static str, headers: &HeaderMap) -> Context {
        let parent = parent(headers);
        let span =
            SpanBuilder::from_name(name).with_kind(SpanKind::Server).start_with_context(&self.0, &parent);
        if span.is_recording() {
            return parent.with_span(span);
        }
        // Nobody collects spans; the ids still lead from the browser to the backend, and into the logs.
        let parent = parent.span().span_context().clone();
        let (trace, flags) = match parent.is_valid() {
            true => (parent.trace_id(), parent.trace_flags()),
            false => (TraceId::from(rand::random::<u128>()), TraceFlags::SAMPLED),
        };
        let span = SpanId::from(rand::random::<u64>());
        let state = parent.trace_state().clone();
        Context::new().with_remote_span_context(SpanContext::new(trace, span, flags, false, state))
    }
}

/// Ends the span of a request.
pub fn end(context: &Context, attributes: impl FnOnce() -> Vec<KeyValue>) {
    let span = context.span();
    if span.is_recording() {
        span.set_attributes(attributes());
        span.end();
    }
}

fn parent(headers: &HeaderMap) -> Context {
    match headers.contains_key(&TRACEPARENT) {
        true => {
            TraceContextPropagator::new().extract_with_context(&Context::new(), &HeaderExtractor(headers))
        }
        false => Context::new(),
    }
}

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The id of the trace that the current span belongs to.
pub fn trace_id() -> Option<String> {
    current().map(|span| span.trace_id().to_string())
}

/// Hands the current span on to the backend.
pub fn inject(headers: &mut HeaderMap) {
    let Some(span) = current() else { return };
    headers.insert(TRACEPARENT, traceparent(&span));
    if *span.trace_state() != TraceState::NONE
        && let Ok(state) = HeaderValue::try_from(span.trace_state().header())
        && !state.is_empty()
    {
        headers.insert(TRACESTATE, state);
    }
}

/// W3C Trace Context, section 3.2.2.
pub fn traceparent(span: &SpanContext) -> HeaderValue {
    let trace = u128::from_be_bytes(span.trace_id().to_bytes());
    let id = u64::from_be_bytes(span.span_id().to_bytes());
    let mut text = [0; 55];
    // It has room for exactly this, and hexadecimal digits and dashes are always a header value.
    let _ = write!(&mut text[..], "00-{trace:032x}-{id:016x}-{:02x}", span.trace_flags().to_u8());
    HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static(""))
}

/// The current span.
pub fn current() -> Option<SpanContext> {
    Context::map_current(|context| {
        let span = context.span().span_context().clone();
        span.is_valid().then_some(span)
    })
}
