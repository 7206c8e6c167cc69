//! A JSON array, closed by its bracket only when the stream ended well.

use std::time::Duration;

use serde_json::Value;

use crate::hub::outcome::Outcome;
use crate::hub::{Item, Opening};
use crate::reasons::CloseReason;
use crate::transcode::line::control;

use super::framing::{Framing, outcome};

/// The JSON array face.
#[derive(Debug, Default)]
pub struct Array {
    elements: usize,
}

impl Array {
    fn element(&mut self, json: &[u8]) -> Vec<u8> {
        self.elements += 1;
        let comma: &[u8] = if self.elements > 1 { b"," } else { b"" };
        [comma, json].concat()
    }
}

impl Framing for Array {
    fn open(&mut self, openings: &[Opening], _: Option<&str>, heartbeat: Duration) -> Vec<u8> {
        let mut out = b"[".to_vec();
        // An array has no room beside its elements; only what must not be missed is told, as an element.
        if openings.iter().any(|opening| matches!(opening.outcome, Outcome::Gap(_))) {
            let notice = control("open", &outcome(openings, heartbeat));
            out.extend(self.element(notice.trim_ascii_end()));
        }
        out
    }

    fn item(&mut self, item: &Item, token: Option<&str>) -> Vec<u8> {
        match item {
            Item::Event { json, .. } => self.element(json),
            Item::Position => Vec::new(),
            Item::Skipped(reason) => {
                let notice = control("skipped", &serde_json::json!({ "reason": reason, "cursor": token }));
                self.element(notice.trim_ascii_end())
            }
        }
    }

    fn heartbeat(&mut self) -> Vec<u8> {
        // Insignificant whitespace (RFC 8259, section 2).
        b"\n".to_vec()
    }

    fn end(&mut self, _: Option<&str>) -> Vec<u8> {
        b"]".to_vec()
    }

    fn fail(&mut self, _: &Value) -> Vec<u8> {
        Vec::new()
    }

    fn close(&mut self, _: CloseReason, _: Option<&str>, _: Duration) -> Vec<u8> {
        Vec::new()
    }

    fn breaks_on_failure(&self) -> bool {
        true
    }
}
