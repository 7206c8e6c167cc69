//! NDJSON: an event a line, control lines with a key that begins with `@`.

use std::time::Duration;

use serde_json::{Value, json};

use crate::hub::{Item, Opening, Outcome, Reader};
use crate::reasons::CloseReason;
use crate::transcode::line::control;

use super::chunk::Chunk;
use super::framing::{Framing, gap, nothing, outcome, skipped};

/// The NDJSON face.
#[derive(Debug)]
pub struct Lines {
    /// The stream has a cursor, so its outcome is told.
    pub durable: bool,
}

impl Framing for Lines {
    fn open(&mut self, openings: &[Opening], token: Option<&str>, heartbeat: Duration, out: &mut Chunk) {
        // A plain stream begins with its first line, unless there is something to tell.
        if !self.durable && !openings.iter().any(|opening| matches!(opening.outcome, Outcome::Gap(_))) {
            return;
        }
        let mut opened = outcome(openings, heartbeat);
        opened["cursor"] = json!(token);
        out.write(&control("open", &opened));
    }

    fn item(&mut self, item: &Item, reader: &Reader, out: &mut Chunk) {
        match item {
            Item::Event(event) => out.share(event.line()),
            Item::Position => out.write(&control("position", &json!({ "cursor": reader.token() }))),
            Item::Skipped(reason) => {
                out.write(&control("skipped", &skipped(reason, reader.token().as_deref())));
            }
            Item::Gap(reason) => {
                let mut opened = gap(reader.moved(), *reason);
                opened["cursor"] = json!(reader.token());
                out.write(&control("open", &opened));
            }
        }
    }

    fn heartbeat(&mut self, out: &mut Chunk) {
        // A blank line: every NDJSON reader skips it.
        out.write(b"\n");
    }

    fn end(&mut self, _: Option<&str>, out: &mut Chunk) {
        out.write(&control("end", &nothing()));
    }

    fn fail(&mut self, error: &Value, out: &mut Chunk) {
        out.write(&control("error", error));
    }

    fn close(&mut self, reason: CloseReason, token: Option<&str>, retry: Duration, out: &mut Chunk) {
        let retry = retry.as_millis() as u64;
        out.write(&control("close", &json!({ "reason": reason.name(), "cursor": token, "retryMs": retry })));
    }

    fn breaks_on_failure(&self) -> bool {
        true
    }
}
