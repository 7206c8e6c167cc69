//! NDJSON: an event a line, control lines with a key that begins with `@`.

use std::time::Duration;

use serde_json::{Value, json};

use crate::hub::{Item, Opening, Outcome};
use crate::reasons::CloseReason;
use crate::transcode::line::{control, line};

use super::framing::{Framing, outcome};

/// The NDJSON face.
#[derive(Debug)]
pub struct Lines {
    /// The stream has a cursor, so its outcome is told.
    pub durable: bool,
}

impl Framing for Lines {
    fn open(&mut self, openings: &[Opening], token: Option<&str>, heartbeat: Duration) -> Vec<u8> {
        // A plain stream begins with its first line, unless there is something to tell.
        if !self.durable && !openings.iter().any(|opening| matches!(opening.outcome, Outcome::Gap(_))) {
            return Vec::new();
        }
        let mut opened = outcome(openings, heartbeat);
        opened["cursor"] = json!(token);
        control("open", &opened)
    }

    fn item(&mut self, item: &Item, token: Option<&str>) -> Vec<u8> {
        match item {
            Item::Event { json, .. } => line(json),
            Item::Position => control("position", &json!({ "cursor": token })),
            Item::Skipped(reason) => control("skipped", &json!({ "reason": reason, "cursor": token })),
        }
    }

    fn heartbeat(&mut self) -> Vec<u8> {
        // A blank line: every NDJSON reader skips it.
        line(b"")
    }

    fn end(&mut self, _: Option<&str>) -> Vec<u8> {
        control("end", &Value::Object(serde_json::Map::new()))
    }

    fn fail(&mut self, error: &Value) -> Vec<u8> {
        control("error", error)
    }

    fn close(&mut self, reason: CloseReason, token: Option<&str>, retry: Duration) -> Vec<u8> {
        let retry = retry.as_millis() as u64;
        control("close", &json!({ "reason": reason.name(), "cursor": token, "retryMs": retry }))
    }

    fn breaks_on_failure(&self) -> bool {
        true
    }
}
