//! Lines as grpc-gateway writes them: `{"result":…}` for an event, `{"error":…}` for whatever its clients must hear of.

use std::time::Duration;

use serde_json::{Value, json};

use crate::error::{Code, Error};
use crate::hub::{Item, Opening, Reader};
use crate::reasons::CloseReason;
use crate::rpc_status;
use crate::transcode::line::line;

use super::chunk::Chunk;
use super::framing::Framing;

/// The lines of grpc-gateway. They have no room for cursors: positions are left out.
#[derive(Debug, Default)]
pub struct GatewayLines;

impl Framing for GatewayLines {
    fn open(&mut self, openings: &[Opening], _: Option<&str>, _: Duration, out: &mut Chunk) {
        openings.iter().filter_map(|opening| opening.outcome.reason()).for_each(|reason| gap(reason, out));
    }

    fn item(&mut self, item: &Item, _: &Reader, out: &mut Chunk) {
        match item {
            Item::Event(event) => out.write(&line(&[b"{\"result\":", &*event.json(), b"}"].concat())),
            Item::Position => {}
            Item::Skipped(reason) => {
                let message = format!("An event was left out: it cannot be written ({reason}).");
                error_line(&Error::new(Code::Internal, "EVENT_SKIPPED", message), out);
            }
            Item::Gap(reason) => gap(reason.name(), out),
        }
    }

    fn heartbeat(&mut self, _: &mut Chunk) {
        // Its clients take every line for JSON.
    }

    fn end(&mut self, _: Option<&str>, _: &mut Chunk) {}

    fn fail(&mut self, error: &Value, out: &mut Chunk) {
        out.write(&line(json!({ "error": error }).to_string().as_bytes()));
    }

    fn close(&mut self, reason: CloseReason, _: Option<&str>, _: Duration, out: &mut Chunk) {
        let message = format!("The edge ends this stream ({}). Open it again.", reason.name());
        error_line(&Error::new(Code::Unavailable, "STREAM_CLOSED", message), out);
    }

    fn breaks_on_failure(&self) -> bool {
        false
    }
}

fn gap(reason: &str, out: &mut Chunk) {
    let message = format!("Events may be missing: the cursor cannot be continued ({reason}).");
    error_line(&Error::new(Code::OutOfRange, "GAP", message), out);
}

fn error_line(error: &Error, out: &mut Chunk) {
    out.write(&line(json!({ "error": rpc_status::json(error) }).to_string().as_bytes()));
}
