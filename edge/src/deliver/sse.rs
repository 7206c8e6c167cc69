//! Server-sent events: `id:`, `event:` and `data:`, control events named `lm-*`.

use std::time::Duration;

use serde_json::{Value, json};

use crate::hub::{Item, Opening};
use crate::reasons::CloseReason;
use crate::transcode::sse::{HEARTBEAT, block, retry};

use super::framing::{Framing, outcome};

/// The SSE face.
#[derive(Debug)]
pub struct Sse {
    /// How long this connection's EventSource waits before it connects again.
    pub retry: Duration,
    /// Heartbeats are events that page code can see, not comments.
    pub heartbeat_events: bool,
}

impl Framing for Sse {
    fn open(&mut self, openings: &[Opening], token: Option<&str>, heartbeat: Duration) -> Vec<u8> {
        let mut out = retry(self.retry.as_millis() as u64);
        out.extend(control("lm-open", None, &outcome(openings, heartbeat)));
        if token.is_some() {
            // An id alone fires no event, but even a client that sees no event can resume from it.
            out.extend(block(token, None, None));
        }
        out
    }

    fn item(&mut self, item: &Item, token: Option<&str>) -> Vec<u8> {
        match item {
            Item::Event { name, json } => block(token, name.as_deref(), Some(json)),
            Item::Position => block(token, None, None),
            Item::Skipped(reason) => {
                control("lm-skipped", token, &json!({ "reason": reason, "cursor": token }))
            }
        }
    }

    fn heartbeat(&mut self) -> Vec<u8> {
        if self.heartbeat_events { control("lm-heartbeat", None, &json!({})) } else { HEARTBEAT.into() }
    }

    fn end(&mut self, token: Option<&str>) -> Vec<u8> {
        control("lm-end", token, &json!({}))
    }

    fn fail(&mut self, error: &Value) -> Vec<u8> {
        control("lm-error", None, error)
    }

    fn close(&mut self, reason: CloseReason, _: Option<&str>, after: Duration) -> Vec<u8> {
        [retry(after.as_millis() as u64), control("lm-close", None, &json!({ "reason": reason.name() }))]
            .concat()
    }

    fn breaks_on_failure(&self) -> bool {
        false
    }
}

fn control(name: &str, id: Option<&str>, data: &serde_json::Value) -> Vec<u8> {
    block(id, Some(name), Some(data.to_string().as_bytes()))
}
