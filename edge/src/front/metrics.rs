//! The edge's numbers in the text format of Prometheus.

use std::fmt::Write;

use super::state::Front;

/// All of them, each with what it means. No name and no label grows with the traffic.
pub fn metrics(front: &Front) -> String {
    let counts = front.hub.counts();
    let mut text = String::new();
    for (name, kind, help, value) in [
        (
            "upstream_stream_calls_total",
            "counter",
            "Calls by which shared streams were read from backends.",
            counts.calls.get(),
        ),
        (
            "catch_up_calls_total",
            "counter",
            "Those of them that were for one reader alone, until it met the ring.",
            counts.catch_ups.get(),
        ),
        (
            "events_rendered_total",
            "counter",
            "Events written as JSON, once for all readers and faces.",
            counts.rendered.get(),
        ),
        (
            "events_skipped_total",
            "counter",
            "Events that could not be written, each an lm-skipped.",
            counts.skipped.get(),
        ),
        ("feeds", "gauge", "Streams that are read from backends.", front.hub.feeds() as u64),
        ("readers", "gauge", "Readers of them; one subscriber reads several streams.", counts.readers.get()),
        (
            "ring_bytes",
            "gauge",
            "Bytes of recent events that all rings hold; at most streams.memory.",
            front.hub.held() as u64,
        ),
    ] {
        let name = format!("lastmile_edge_{name}");
        // A String takes everything.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}");
    }
    text
}
