//! One trace from the browser through the edge into the core, in spans, logs and events.

use lastmile_tests::{App, Collector, ExportedSpan, Topology};
use serde_json::json;

const BROWSER_SPAN: &str = "00f067aa0ba902b7";

#[tokio::test]
async fn one_trace_leads_from_browser_to_core() {
    for (topology, trace_id) in [
        (Topology::One, "4bf92f3577b34da6a3ce929d0e0e4736"),
        (Topology::Two, "4bf92f3577b34da6a3ce929d0e0e4737"),
    ] {
        let collector = Collector::start().await;
        let endpoint = collector.endpoint();
        let variables =
            [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()), ("OTEL_BSP_SCHEDULE_DELAY", "100")];
        let mut app = App::start_with(topology, &variables).await;
        let alice = app.login("alice").await;
        let traceparent = format!("00-{trace_id}-{BROWSER_SPAN}-01");
        let request = alice.request("POST", "/api/v1/topics/news/events").header("traceparent", &traceparent);
        let answer = lastmile_tests::Answer::to(request.json(&json!({"type": "x", "data": 1}))).await;
        assert_eq!(answer.status, 200, "{answer:?}");

        let (edge, core) = collector.trace(trace_id, edge_and_core).await;
        assert_eq!(edge.parent_id, BROWSER_SPAN, "{topology:?}");
        assert_eq!(core.parent_id, edge.span_id, "{topology:?}");

        // The event carries the trace on.
        let history = alice.get("/api/v1/topics/news/history").await.json();
        let carried = history["events"][0]["traceparent"].as_str().unwrap_or_default();
        assert!(carried.starts_with(&format!("00-{trace_id}-")), "{carried}");

        // The access log line can be found by the trace.
        let line = app.front().line("a log line of the trace", |line| {
            (line["trace_id"] == trace_id && line["span_id"].is_string()).then(|| line.clone())
        });
        line.await;
    }
}

/// The edge's span of the request, and the core's span below it.
fn edge_and_core(spans: &[ExportedSpan]) -> Option<(ExportedSpan, ExportedSpan)> {
    let edge = spans.iter().find(|span| span.parent_id == BROWSER_SPAN)?;
    let core = spans.iter().find(|span| span.name.ends_with("TopicService/PublishEvent"))?;
    Some((edge.clone(), core.clone()))
}

#[tokio::test]
async fn an_invalid_traceparent_begins_a_new_trace() {
    let app = App::start(Topology::One).await;
    let alice = app.login("alice").await;
    for bad in ["garbage", "00-00000000000000000000000000000000-00f067aa0ba902b7-01", &"0".repeat(4000)] {
        let request = alice.request("GET", "/api/v1/users/999").header("traceparent", bad);
        let answer = lastmile_tests::Answer::to(request).await;
        assert_eq!(answer.problem(), "404 USER_NOT_FOUND", "{bad}");
        let trace_id = answer.json()["trace_id"].as_str().unwrap_or_default().to_owned();
        assert_eq!(trace_id.len(), 32, "{trace_id}");
        assert_ne!(trace_id, "0".repeat(32));
    }
}

#[tokio::test]
async fn logs_hold_no_secrets() {
    let mut app = App::start(Topology::One).await;
    let alice = app.login("alice").await;
    alice.get("/api/v1/users").await;
    app.terminate_front().await;
    for line in app.front().lines() {
        let line = line.to_string();
        assert!(!line.contains(alice.token()), "a token: {line}");
    }
}
