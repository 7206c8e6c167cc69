//! Lines as grpc-gateway writes them: `{"result":…}` for an event, `{"error":…}` for whatever its clients must hear of.

use std::time::Duration;

use serde_json::{Value, json};

use crate::error::{Code, Error};
use crate::hub::{Item, Opening};
use crate::reasons::CloseReason;
use crate::rpc_status;
use crate::transcode::line::line;

use super::framing::Framing;

/// The lines of grpc-gateway. They have no room for cursors: positions are left out.
#[derive(Debug, Default)]
pub struct GatewayLines;

impl Framing for GatewayLines {
    fn open(&mut self, openings: &[Opening], _: Option<&str>, _: Duration) -> Vec<u8> {
        let gaps = openings.iter().filter_map(|opening| opening.outcome.reason());
        let told = gaps.map(|reason| {
            let message = format!("Events may be missing: the cursor cannot be continued ({reason}).");
            error_line(&Error::new(Code::OutOfRange, "GAP", message))
        });
        told.collect::<Vec<_>>().concat()
    }

    fn item(&mut self, item: &Item, _: Option<&str>) -> Vec<u8> {
        match item {
            Item::Event { json, .. } => line(&[b"{\"result\":", &**json, b"}"].concat()),
            Item::Position => Vec::new(),
            Item::Skipped(reason) => {
                let message = format!("An event was left out: it cannot be written ({reason}).");
                error_line(&Error::new(Code::Internal, "EVENT_SKIPPED", message))
            }
        }
    }

    fn heartbeat(&mut self) -> Vec<u8> {
        // Its clients take every line for JSON.
        Vec::new()
    }

    fn end(&mut self, _: Option<&str>) -> Vec<u8> {
        Vec::new()
    }

    fn fail(&mut self, error: &Value) -> Vec<u8> {
        line(json!({ "error": error }).to_string().as_bytes())
    }

    fn close(&mut self, reason: CloseReason, _: Option<&str>, _: Duration) -> Vec<u8> {
        let message = format!("The edge ends this stream ({}). Open it again.", reason.name());
        error_line(&Error::new(Code::Unavailable, "STREAM_CLOSED", message))
    }

    fn breaks_on_failure(&self) -> bool {
        false
    }
}

fn error_line(error: &Error) -> Vec<u8> {
    line(json!({ "error": rpc_status::json(error) }).to_string().as_bytes())
}
