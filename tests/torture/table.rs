//! What was done and what was seen, as a table.

use crate::subscriber::Face;
use crate::tally::Tally;

/// The rows: what the table says, and the counts that it adds up.
const ROWS: [(&str, &[&str]); 21] = [
    ("events published, each acknowledged", &["events published"]),
    ("deliveries checked", &["deliveries checked"]),
    ("streams resumed by cursor", &["streams resumed"]),
    (
        "calls over sessions: answered, failed as told, outcome unknown as told",
        &["calls answered", "calls failed", "calls unknown"],
    ),
    (
        "messages of bidirectional calls: replies, changes",
        &["replies in conversations", "changes heard in conversations"],
    ),
    (
        "sessions resumed, taken over by a second connection, moved to a new page load",
        &[
            "sessions resumed",
            "sessions taken over by a second connection",
            "sessions moved to a new page load",
        ],
    ),
    ("lies of clients of sessions, each refused", &["lies refused"]),
    ("connections cut", &["cuts"]),
    ("connections reset", &["resets"]),
    ("connections half-closed", &["half-closes"]),
    ("connections stalled, or silent for good", &["stalls", "silences"]),
    ("stretches delayed, split, coalesced", &["delays", "splits", "coalescings"]),
    ("edges killed (SIGKILL)", &["kills of the edge"]),
    ("cores killed (SIGKILL)", &["kills of the core"]),
    ("processes stopped (SIGSTOP)", &["stops (SIGSTOP)"]),
    ("processes drained (SIGTERM)", &["drains (SIGTERM)"]),
    ("backups restored", &["restores"]),
    ("rights taken and given back: by rules, by role", &["rule changes", "role changes"]),
    (
        "streams ended or refused: token expired, token revoked, not allowed",
        &["@expired", "@revoked", "@denied"],
    ),
    ("gaps told: expired, epoch changed, others", &["gaps: expired", "gaps: epoch_changed", "@others"]),
    ("violations", &["violations"]),
];

/// The table, in Markdown.
pub(crate) fn table(tally: &Tally) -> String {
    let faces: Vec<String> = Face::ALL
        .iter()
        .map(|face| format!("{} {}", tally.of(&format!("{} subscribers", face.name())), face.name()))
        .collect();
    let mut lines = vec!["| what | how often |".to_owned(), "|---|---|".to_owned()];
    lines.push(format!("| subscribers | {} |", faces.join(", ")));
    lines.push(format!("| callers over sessions | {} |", tally.of("session callers")));
    for (name, counts) in ROWS {
        let counts: Vec<_> = counts.iter().map(|count| grouped(number(tally, count))).collect();
        lines.push(format!("| {name} | {} |", counts.join(", ")));
    }
    lines.join("\n")
}

fn number(tally: &Tally, count: &str) -> u64 {
    match count {
        "@expired" => told(tally, &["token_expired", "TOKEN_EXPIRED"]),
        "@revoked" => told(tally, &["token_revoked", "TOKEN_REVOKED"]),
        "@denied" => told(tally, &["FORBIDDEN", "ACCESS_LOST", "access_lost"]),
        "@others" => tally.of("gaps: overflow") + tally.of("gaps: cursor_mismatch"),
        count => tally.of(count),
    }
}

fn told(tally: &Tally, reasons: &[&str]) -> u64 {
    reasons.iter().map(|reason| tally.of(&format!("told: {reason}"))).sum()
}

/// `1234567` as `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
