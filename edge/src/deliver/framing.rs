//! What a face writes for each thing that happens to a stream.

use std::time::Duration;

use serde_json::{Value, json};

use crate::hub::{Item, Opening};
use crate::reasons::CloseReason;

/// Writes a stream in the form of one face. Pure: what it returns is what goes to the socket.
pub trait Framing: Send {
    /// The stream is open.
    fn open(&mut self, openings: &[Opening], token: Option<&str>, heartbeat: Duration) -> Vec<u8>;
    /// The stream moved; `token` is where it stands now.
    fn item(&mut self, item: &Item, token: Option<&str>) -> Vec<u8>;
    /// Nothing happened for a while.
    fn heartbeat(&mut self) -> Vec<u8>;
    /// The stream ended well.
    fn end(&mut self, token: Option<&str>) -> Vec<u8>;
    /// The stream failed, with this error.
    fn fail(&mut self, error: &Value) -> Vec<u8>;
    /// The edge ends the stream, which can be continued after `retry`.
    fn close(&mut self, reason: CloseReason, token: Option<&str>, retry: Duration) -> Vec<u8>;
    /// Whether a failure also breaks off the body, so that no client takes it for complete.
    fn breaks_on_failure(&self) -> bool;
}

/// What a stream says first: its heartbeat, and what became of each cursor.
pub fn outcome(openings: &[Opening], heartbeat: Duration) -> Value {
    let streams = openings.iter().map(|opening| {
        let mut stream = json!({ "key": opening.key, "outcome": opening.outcome.name() });
        if let Some(reason) = opening.outcome.reason() {
            stream["reason"] = json!(reason);
        }
        stream
    });
    json!({ "heartbeatMs": heartbeat.as_millis() as u64, "streams": streams.collect::<Vec<_>>() })
}
