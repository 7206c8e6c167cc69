//! Telemetry of the process: JSON log lines, OTLP spans, trace context.
//!
//! Log lines are JSON on stderr with `trace_id` and `span_id`; `RUST_LOG` filters them. Spans leave by OTLP when one of
//! the standard variables names an endpoint.

use std::error::Error;
use std::time::Duration;

use json_subscriber::JsonLayer;
use opentelemetry::global;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{TraceContextExt, TracerProvider};
use opentelemetry_http::HeaderInjector;
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Metadata;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::filter::{EnvFilter, FilterExt, filter_fn};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];

/// A collector that hangs does not keep the process alive.
const LAST_SPANS: Duration = Duration::from_secs(1);

/// Sends the last spans when dropped.
#[derive(Debug)]
pub struct TelemetryGuard {
    provider: SdkTracerProvider,
}

impl Drop for TelemetryGuard {
    fn drop(&mut self) {
        if let Err(error) = self.provider.shutdown_with_timeout(LAST_SPANS) {
            tracing::warn!(%error, "the last spans could not be sent");
        }
    }
}

/// Starts logs and traces for the whole process; only `main` calls it, inside the async runtime.
///
/// # Errors
/// When the OTLP endpoint cannot be used, or the process has logs already.
pub fn init(service_name: &'static str) -> Result<TelemetryGuard, Box<dyn Error + Send + Sync>> {
    let resource = Resource::builder().with_service_name(service_name).build();
    let mut provider = SdkTracerProvider::builder().with_resource(resource);
    let exports = ENDPOINTS.iter().any(|name| std::env::var_os(name).is_some());
    if exports {
        provider = provider.with_batch_exporter(SpanExporter::builder().with_tonic().build()?);
    }
    let provider = provider.build();
    if exports {
        // For the edge in the same process.
        global::set_tracer_provider(provider.clone());
    }
    global::set_text_map_propagator(TraceContextPropagator::new());

    let spans = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer(service_name))
        .with_filter(filter_fn(is_ours));
    let filter = EnvFilter::builder().with_default_directive(tracing::Level::INFO.into()).from_env_lossy();
    // Spans pass whatever the filter says: a line must find its trace id.
    let lines =
        log_lines().with_filter(filter.or(filter_fn(|metadata| metadata.is_span() && is_ours(metadata))));
    tracing_subscriber::registry().with(spans).with(lines).try_init()?;
    Ok(TelemetryGuard { provider })
}

/// The W3C trace context of the current span; empty when there is none.
pub fn current_traceparent() -> String {
    let context = tracing::Span::current().context();
    if !context.span().span_context().is_valid() {
        return String::new();
    }
    let mut headers = http::HeaderMap::new();
    TraceContextPropagator::new().inject_context(&context, &mut HeaderInjector(&mut headers));
    let value = headers.get("traceparent").and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_owned()
}

/// The exporter makes spans too (h2, tonic, hyper), which would be exported without end.
fn is_ours(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with("lastmile")
}

fn log_lines<S>() -> JsonLayer<S, fn() -> std::io::Stderr>
where
    S: tracing::Subscriber + for<'lookup> LookupSpan<'lookup>,
{
    let mut lines = JsonLayer::stderr();
    lines.with_timer("timestamp", tracing_subscriber::fmt::time::SystemTime);
    lines.with_level("level");
    lines.with_target("target");
    lines.with_flattened_event();
    lines.add_multiple_dynamic_fields(|event, context, writer| {
        if let Some((trace_id, span_id)) = trace_ids(event, context) {
            let _ = writer.write_field("trace_id", trace_id);
            let _ = writer.write_field("span_id", span_id);
        }
    });
    lines
}

fn trace_ids<S>(event: &tracing::Event<'_>, context: &Context<'_, S>) -> Option<(String, String)>
where
    S: tracing::Subscriber + for<'lookup> LookupSpan<'lookup>,
{
    // What stands before the core in the same process has no such span, but a current context.
    let of_span = context.event_span(event).and_then(|span| {
        tracing::dispatcher::get_default(|dispatch| {
            tracing_opentelemetry::get_otel_context(&span.id(), dispatch)
        })
    });
    let context = of_span.unwrap_or_else(opentelemetry::Context::current);
    let span = context.span();
    let ids = span.span_context();
    ids.is_valid().then(|| (ids.trace_id().to_string(), ids.span_id().to_string()))
}
