//! What a face writes for each thing that happens to a stream.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::hub::outcome::GapReason;
use crate::hub::{Item, Opening, Reader};
use crate::reasons::CloseReason;

use super::chunk::Chunk;

/// Writes a stream in the form of one face. Pure: what it adds to the chunk is what goes to the socket.
pub trait Framing: Send {
    /// The stream is open.
    fn open(&mut self, openings: &[Opening], token: Option<&str>, heartbeat: Duration, out: &mut Chunk);
    /// The stream moved; `reader` knows where it stands now.
    fn item(&mut self, item: &Item, reader: &Reader, out: &mut Chunk);
    /// Nothing happened for a while.
    fn heartbeat(&mut self, out: &mut Chunk);
    /// The stream ended well.
    fn end(&mut self, token: Option<&str>, out: &mut Chunk);
    /// The stream failed, with this error.
    fn fail(&mut self, error: &Value, out: &mut Chunk);
    /// The edge ends the stream, which can be continued after `retry`.
    fn close(&mut self, reason: CloseReason, token: Option<&str>, retry: Duration, out: &mut Chunk);
    /// Whether a failure also breaks off the body, so that no client takes it for complete.
    fn breaks_on_failure(&self) -> bool;
}

/// What a stream says first: its heartbeat, and what became of each cursor.
pub fn outcome(openings: &[Opening], heartbeat: Duration) -> Value {
    let streams = openings.iter().map(|opening| {
        let mut stream = json!({ "key": opening.key, "outcome": opening.outcome.name() });
        if let Some(replayed) = opening.replayed {
            stream["replayed"] = json!(replayed);
        }
        if let Some(reason) = opening.outcome.reason() {
            stream["reason"] = json!(reason);
        }
        stream
    });
    json!({ "heartbeatMs": heartbeat.as_millis() as u64, "streams": streams.collect::<Vec<_>>() })
}

/// The same in the middle: a stream that could not go on where it stood.
pub fn gap(key: &str, reason: GapReason) -> Value {
    json!({ "streams": [{ "key": key, "outcome": "GAP", "reason": reason.name() }] })
}

/// A notice of an item that is no event.
pub fn skipped(reason: &str, token: Option<&str>) -> Value {
    json!({ "reason": reason, "cursor": token })
}

/// Nothing to say but that it happened.
pub fn nothing() -> Value {
    Value::Object(Map::new())
}
