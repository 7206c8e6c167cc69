//! The edge's numbers in the text format of Prometheus.

use std::fmt::Write;

use super::state::Front;

/// All of them, each with what it means. No name and no label grows with the traffic.
pub fn metrics(front: &Front) -> String {
    let (counts, sessions) = (front.hub.counts(), &front.sessions.counts);
    let mut text = String::new();
    for (name, kind, help, value) in [
        (
            "upstream_stream_calls_total",
            "counter",
            "Calls by which shared streams were read from backends.",
            counts.calls.get(),
        ),
        ("upstream_streams", "gauge", "Calls by which streams are read now.", counts.open_calls.get()),
        (
            "catch_up_calls_total",
            "counter",
            "Calls that were for one reader alone, until it met the ring.",
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
        ("sessions_opened_total", "counter", "Sessions begun.", sessions.opened.get()),
        ("sessions", "gauge", "Sessions, with those that wait for a connection.", sessions.open.get()),
        ("sessions_parked", "gauge", "Sessions that wait for a connection.", sessions.parked.get()),
        (
            "sessions_parked_bytes",
            "gauge",
            "Bytes that those hold; at most sessions.parked_bytes.",
            front.sessions.parked_bytes() as u64,
        ),
        (
            "sessions_resumed_total",
            "counter",
            "Connections that went on with a session.",
            sessions.resumed.get(),
        ),
        (
            "sessions_superseded_total",
            "counter",
            "Connections fenced by a newer one.",
            sessions.superseded.get(),
        ),
        (
            "sessions_unknown_total",
            "counter",
            "Sessions asked for that are not here.",
            sessions.unknown.get(),
        ),
        ("sessions_migrated_total", "counter", "Sessions moved to a new page load.", sessions.migrated.get()),
        ("session_calls_total", "counter", "Calls made by sessions.", sessions.calls.get()),
        (
            "session_connections_refused_total",
            "counter",
            "Connections refused behind the upgrade.",
            sessions.refused.get(),
        ),
        (
            "session_violations_total",
            "counter",
            "Connections whose client broke the rules.",
            sessions.violations.get(),
        ),
        (
            "session_fallbacks_total",
            "counter",
            "WebSockets sent to the event stream by a breaker.",
            sessions.broken.get(),
        ),
        (
            "session_breakers_open",
            "gauge",
            "Clients that are sent there now.",
            front.sessions.broken() as u64,
        ),
        ("session_legs_total", "counter", "Connections by event stream.", sessions.legs.get()),
    ] {
        let name = format!("lastmile_edge_{name}");
        // A String takes everything.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}");
    }
    text
}
