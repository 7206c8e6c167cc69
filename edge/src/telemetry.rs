//! Traces over OTLP, logs as JSON lines that carry the ids of their trace.

use std::io;
use std::time::Duration;

use http::HeaderMap;
use opentelemetry::trace::{TraceContextExt, TracerProvider};
use opentelemetry::{Context, global};
use opentelemetry_http::HeaderExtractor;
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{EnvFilter, Targets};
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
    global::set_text_map_propagator(TraceContextPropagator::new());
    let resource = Resource::builder().with_service_name(service_name).build();
    let mut provider = SdkTracerProvider::builder().with_resource(resource);
    let wanted = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];
    if wanted.iter().any(|name| std::env::var_os(name).is_some()) {
        let exporter = SpanExporter::builder().with_tonic().build().map_err(|error| error.to_string())?;
        provider = provider.with_batch_exporter(exporter);
    }
    let provider = provider.build();
    // Only our own spans: the exporter would trace its own h2 and tonic calls for ever.
    let ours = Targets::new().with_target("lastmile", tracing::Level::INFO);
    let traces = tracing_opentelemetry::layer().with_tracer(provider.tracer("lastmile")).with_filter(ours);
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::registry().with(traces).with(log_layer().with_filter(filter)).init();
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
    layer.add_dynamic_field("span_id", |_, _| {
        let context = Context::current();
        let span = context.span().span_context().clone();
        span.is_valid().then(|| span.span_id().to_string())
    });
    layer
}

/// The id of the trace that the current span belongs to.
pub fn trace_id() -> Option<String> {
    let context = Context::current();
    let span = context.span().span_context().clone();
    span.is_valid().then(|| span.trace_id().to_string())
}

/// The trace context that a request's `traceparent` names; an invalid one begins a new trace.
pub fn parent(headers: &HeaderMap) -> Context {
    global::get_text_map_propagator(|propagator| propagator.extract(&HeaderExtractor(headers)))
}
