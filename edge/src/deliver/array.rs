//! A JSON array, closed by its bracket only when the stream ended well.

use std::time::Duration;

use serde_json::Value;

use crate::hub::outcome::Outcome;
use crate::hub::{Item, Opening, Reader};
use crate::reasons::CloseReason;
use crate::transcode::line::control;

use super::chunk::Chunk;
use super::framing::{Framing, gap, outcome, skipped};

/// The JSON array face.
#[derive(Debug, Default)]
pub struct Array {
    elements: usize,
}

impl Array {
    fn element(&mut self, json: &[u8], out: &mut Chunk) {
        if self.elements > 0 {
            out.write(b",");
        }
        self.elements += 1;
        out.write(json);
    }

    /// An array has no room beside its elements; only what must not be missed is told, as an element.
    fn notice(&mut self, name: &str, value: &Value, out: &mut Chunk) {
        self.element(control(name, value).trim_ascii_end(), out);
    }
}

impl Framing for Array {
    fn open(&mut self, openings: &[Opening], _: Option<&str>, heartbeat: Duration, out: &mut Chunk) {
        out.write(b"[");
        if openings.iter().any(|opening| matches!(opening.outcome, Outcome::Gap(_))) {
            self.notice("open", &outcome(openings, heartbeat), out);
        }
    }

    fn item(&mut self, item: &Item, reader: &Reader, out: &mut Chunk) {
        match item {
            Item::Event(event) => self.element(&event.json(), out),
            Item::Position => {}
            Item::Skipped(reason) => {
                self.notice("skipped", &skipped(reason, reader.token().as_deref()), out);
            }
            Item::Gap(reason) => self.notice("open", &gap(reader.moved(), *reason), out),
        }
    }

    fn heartbeat(&mut self, out: &mut Chunk) {
        // Insignificant whitespace (RFC 8259, section 2).
        out.write(b"\n");
    }

    fn end(&mut self, _: Option<&str>, out: &mut Chunk) {
        out.write(b"]");
    }

    fn fail(&mut self, _: &Value, _: &mut Chunk) {}

    fn close(&mut self, _: CloseReason, _: Option<&str>, _: Duration, _: &mut Chunk) {}

    fn breaks_on_failure(&self) -> bool {
        true
    }
}
