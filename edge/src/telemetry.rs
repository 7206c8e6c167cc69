//! Traces over OTLP, logs as JSON lines that carry the ids of their trace.

use std::io;
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

use crate::header_table::unindexed;

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
    headers.insert(TRACEPARENT, unindexed(traceparent(&span)));
    if *span.trace_state() != TraceState::NONE
        && let Ok(state) = HeaderValue::try_from(span.trace_state().header())
        && !state.is_empty()
    {
        headers.insert(TRACESTATE, unindexed(state));
    }
}

/// W3C Trace Context, section 3.2.2.
pub fn traceparent(span: &SpanContext) -> HeaderValue {
    let mut text = *b"00-................................-................-..";
    write_hex(&span.trace_id().to_bytes(), &mut text[3..35]);
    write_hex(&span.span_id().to_bytes(), &mut text[36..52]);
    write_hex(&[span.trace_flags().to_u8()], &mut text[53..]);
    // Hexadecimal digits and dashes are always a header value.
    HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static(""))
}

/// The id of a span as a header value.
pub fn span_id(span: &SpanContext) -> HeaderValue {
    let mut text = [0; 16];
    write_hex(&span.span_id().to_bytes(), &mut text);
    HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static("-"))
}

/// Two digits for each byte. By hand: formatting costs ten times as much, and every call has several.
fn write_hex(bytes: &[u8], text: &mut [u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (byte, pair) in bytes.iter().zip(text.chunks_exact_mut(2)) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
}

/// The current span.
pub fn current() -> Option<SpanContext> {
    Context::map_current(|context| {
        let span = context.span().span_context().clone();
        span.is_valid().then_some(span)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_written_as_the_standard_has_them() {
        let (trace, id) = (0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c_u128, 0xb7ad_6b71_6920_3331_u64);
        for (flags, last) in [(TraceFlags::SAMPLED, "01"), (TraceFlags::NOT_SAMPLED, "00")] {
            let span =
                SpanContext::new(TraceId::from(trace), SpanId::from(id), flags, false, TraceState::NONE);
            let expected = format!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-{last}");
            assert_eq!(traceparent(&span), expected);
            assert_eq!(span_id(&span), "b7ad6b7169203331");
        }
    }
}
