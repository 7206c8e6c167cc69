//! Reads one SSE answer to its end: what EventSource and fetch have in common.

use std::time::Duration;

use lastmile_tests::{Block, SseParser};
use reqwest::Response;
use serde_json::Value;
use tokio::time::timeout;

use crate::history::Seen;

use super::reader::Reader;

/// What a finished answer leaves behind.
#[derive(Debug, Default)]
pub(super) struct Finished {
    /// The last `retry:`.
    pub(super) retry: Option<Duration>,
    /// The reason of `lm-close` or `lm-error`.
    pub(super) reason: Option<String>,
    /// `lm-end` came.
    pub(super) ended: bool,
}

/// Reads until the end, or until nothing comes any more.
pub(super) async fn read(reader: &mut Reader, mut response: Response) -> Finished {
    let (mut parser, mut finished) = (SseParser::default(), Finished::default());
    while let Ok(Ok(Some(bytes))) = timeout(reader.watchdog(), response.chunk()).await {
        for block in parser.push(&bytes) {
            take(reader, &block, &mut finished);
        }
    }
    if finished.reason.is_none() && !finished.ended {
        reader.see(Seen::Cut);
    }
    finished
}

fn take(reader: &mut Reader, block: &Block, finished: &mut Finished) {
    if let Some(retry) = block.retry.as_deref().and_then(|text| text.parse().ok()) {
        finished.retry = Some(Duration::from_millis(retry));
    }
    if let Some(id) = &block.id {
        reader.cursor = Some(id.clone());
    }
    let data = block.data.as_deref().unwrap_or_default();
    match (block.name(), &block.id) {
        ("", Some(id)) if block.data.is_none() => reader.see(Seen::Stands { token: id.as_str().into() }),
        ("" | "lm-heartbeat", _) => {}
        ("lm-open", _) => reader.opened(data),
        ("lm-skipped", _) => reader.see(Seen::Skipped { reason: data.to_owned() }),
        ("lm-close", _) => {
            let reason = field(data, "reason");
            finished.reason = Some(reason.clone());
            reader.see(Seen::Closed { reason });
        }
        ("lm-error", _) => {
            let reason = field(data, "reason");
            finished.reason = Some(reason.clone());
            reader.see(Seen::Failed { reason });
        }
        ("lm-end", _) => {
            finished.ended = true;
            reader.see(Seen::Ended);
        }
        (_, Some(id)) => _ = reader.event(data, Some(id)),
        (name, None) => reader.see(Seen::Malformed { what: format!("{name} without an id") }),
    }
}

/// A field of a JSON object, as text.
pub(super) fn field(json: &str, name: &str) -> String {
    let value: Value = serde_json::from_str(json).unwrap_or_default();
    value[name].as_str().unwrap_or_default().to_owned()
}
