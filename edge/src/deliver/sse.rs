//! Server-sent events: `event:`, `data:` and `id:`, control events named `lm-*`.

use std::time::Duration;

use serde_json::{Value, json};

use crate::hub::{Item, Opening, Reader};
use crate::reasons::CloseReason;
use crate::transcode::sse::{HEARTBEAT, block, field, retry};

use super::chunk::Chunk;
use super::framing::{Framing, gap, nothing, outcome, skipped};

/// The SSE face.
#[derive(Debug)]
pub struct Sse {
    /// How long this connection's EventSource waits before it connects again.
    pub retry: Duration,
    /// Heartbeats are events that page code can see, not comments.
    pub heartbeat_events: bool,
}

impl Framing for Sse {
    fn open(&mut self, openings: &[Opening], token: Option<&str>, heartbeat: Duration, out: &mut Chunk) {
        out.write(&retry(self.retry.as_millis() as u64));
        control("lm-open", None, &outcome(openings, heartbeat), out);
        if token.is_some() {
            // An id alone fires no event, but even a client that sees no event can resume from it.
            out.write(&block(token, None, None));
        }
    }

    fn item(&mut self, item: &Item, reader: &Reader, out: &mut Chunk) {
        match item {
            Item::Event(event) if reader.is_single() => out.share(event.block()),
            Item::Event(event) => {
                out.share(event.block_without_id());
                let mut end = Vec::new();
                if let Some(token) = reader.token() {
                    field(&mut end, "id", token.as_bytes());
                }
                end.push(b'\n');
                out.write(&end);
            }
            Item::Position => out.write(&block(reader.token().as_deref(), None, None)),
            Item::Skipped(reason) => {
                let token = reader.token();
                control("lm-skipped", token.as_deref(), &skipped(reason, token.as_deref()), out);
            }
            Item::Gap(reason) => {
                let token = reader.token();
                control("lm-open", token.as_deref(), &gap(reader.moved(), *reason), out);
            }
        }
    }

    fn heartbeat(&mut self, out: &mut Chunk) {
        if self.heartbeat_events {
            control("lm-heartbeat", None, &nothing(), out);
        } else {
            out.write(HEARTBEAT.as_bytes());
        }
    }

    fn end(&mut self, token: Option<&str>, out: &mut Chunk) {
        control("lm-end", token, &nothing(), out);
    }

    fn fail(&mut self, error: &Value, out: &mut Chunk) {
        control("lm-error", None, error, out);
    }

    fn close(&mut self, reason: CloseReason, _: Option<&str>, after: Duration, out: &mut Chunk) {
        out.write(&retry(after.as_millis() as u64));
        control("lm-close", None, &json!({ "reason": reason.name() }), out);
    }

    fn breaks_on_failure(&self) -> bool {
        false
    }
}

fn control(name: &str, id: Option<&str>, data: &Value, out: &mut Chunk) {
    out.write(&block(id, Some(name), Some(data.to_string().as_bytes())));
}
