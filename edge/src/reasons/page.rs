//! The table as JSON for programs, and as a page for people.

use std::fmt::Write;

use serde_json::{Value, json};

use super::reason::{Place, Reason};
use super::table::{PARTS, all};

const HEAD: &str = "# Reasons

Every reason that the edge gives for a refusal, a gap or an end: what brought it about, what you see, what to do. This page
is written from the table in `edge/src/reasons/` by a test (`edge/tests/edge/reasons.rs`), which also sees to it that the
edge tells of nothing else. A running edge serves the same table as JSON at `/.well-known/lastmile/reasons`.

A problem (RFC 9457) has its reason in `reason`, and in `type` as `/.well-known/lastmile/reasons#NAME`. That is a name
first, equal on every edge; where `paths.prefix` is set, the table lies below it. Errors of a backend have the backend's
own reason, and `about:blank`. In google.rpc.Status the reason is that of ErrorInfo, with the domain `lastmile.edge.v1`.

*Again* says whether the same request may do well later, with nothing changed.
";

/// `edge/REASONS.md`.
pub fn page() -> String {
    let mut page = HEAD.to_owned();
    for (title, reasons) in PARTS {
        let _ = write!(page, "\n## {title}\n\n");
        page += "| reason | where | cause | what you see | what to do | again |\n|---|---|---|---|---|---|\n";
        page.extend(reasons.iter().map(row));
    }
    page
}

fn row(reason: &Reason) -> String {
    let places: Vec<String> = reason.places.iter().map(|place| shown(*place)).collect();
    let Reason { name, cause, seen, remedy, .. } = reason;
    let again = if reason.retryable { "yes" } else { "–" };
    format!("| `{name}` | {} | {cause} | {seen} | {remedy} | {again} |\n", places.join(", "))
}

fn shown(place: Place) -> String {
    match place {
        Place::Error { code, status } => format!("{status} {}", code.name()),
        Place::WebSocket { code } => format!("close {code}"),
        Place::Gap => "`lm-open`".into(),
        Place::Skipped => "`lm-skipped`".into(),
        Place::Close => "`lm-close`".into(),
        Place::Goaway => "`goaway`".into(),
    }
}

/// `{"reasons":[…]}`.
pub fn json() -> Value {
    json!({ "reasons": all().map(object).collect::<Vec<_>>() })
}

fn object(reason: &Reason) -> Value {
    let places = reason.places.iter().map(|place| match place {
        Place::Error { code, status } => {
            json!({ "kind": place.name(), "code": code.name(), "httpStatus": status })
        }
        Place::WebSocket { code } => json!({ "kind": place.name(), "closeCode": code }),
        _ => json!({ "kind": place.name() }),
    });
    json!({
        "name": reason.name,
        "places": places.collect::<Vec<_>>(),
        "cause": reason.cause,
        "seen": reason.seen,
        "remedy": reason.remedy,
        "retryable": reason.retryable,
    })
}
