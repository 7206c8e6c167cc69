//! A stream as a call of a session: what its frames mean to a subscriber.

use serde_json::{Value, json};

use crate::history::{Outcome, Seen, Told, topics};

use super::reader::Reader;

const METHOD: &str = "lastmile.v1.TopicService/Subscribe";
/// Messages that the edge may send ahead.
const CREDIT: u64 = 64;
const SKIPPED: [&str; 4] = ["unreadable", "too_large", "event_name", "unwritable"];

/// One call of Subscribe.
#[derive(Debug, Default)]
pub(crate) struct StreamCall {
    pub(crate) call: u64,
    /// What a channel stands for on this connection.
    channel: u64,
    /// Channels of calls that were given up: their `open` came to the edge later than it was thought lost.
    given_up: Vec<u64>,
    has_opened: bool,
    used: u64,
}

impl StreamCall {
    /// The call of this number, and the frame that opens it where the reader stands.
    pub(crate) fn open(call: u64, reader: &Reader) -> (Self, Value) {
        let topic = topics::all()[reader.history.topics[0]];
        let mut open =
            json!({ "call": call, "method": METHOD, "json": { "topic": topic }, "credit": CREDIT });
        if let Some(cursor) = &reader.cursor {
            open["cursor"] = json!(cursor);
        }
        (Self { call, ..Self::default() }, json!({ "open": open }))
    }

    /// Takes `opened`; whether it is about this call.
    pub(crate) fn opened(&mut self, reader: &mut Reader, opened: &Value) -> bool {
        let channel = opened["channel"].as_u64().unwrap_or_default();
        if opened["call"].as_u64() != Some(self.call) {
            self.given_up.push(channel);
            return false;
        }
        self.has_opened = true;
        self.channel = channel;
        let reason = opened["reason"].as_str().unwrap_or_default().to_owned();
        if SKIPPED.contains(&reason.as_str()) {
            reader.see(Seen::Skipped { reason });
        } else {
            let outcome = match opened["outcome"].as_str() {
                Some("OUTCOME_FRESH") => Outcome::Fresh,
                Some("OUTCOME_RESUMED") => Outcome::Resumed,
                _ => Outcome::Gap(reason),
            };
            let key = topics::all()[reader.history.topics[0]].to_owned();
            reader.see(Seen::Opened(vec![Told { key, outcome }]));
        }
        stand(reader, opened);
        true
    }

    /// Takes a message of a stream; gives credit now and then.
    pub(crate) fn message(&mut self, reader: &mut Reader, message: &Value) -> Option<Value> {
        if message["call"].as_u64().is_some_and(|call| call < self.call) {
            // Of a call that was cancelled.
            return None;
        }
        let channel = message["channel"].as_u64().filter(|channel| *channel > 0);
        let is_own = message["call"].as_u64() == Some(self.call)
            || channel.is_some_and(|channel| channel == self.channel);
        if !is_own && channel.is_some_and(|channel| self.given_up.contains(&channel)) {
            return None;
        }
        if !is_own {
            reader.see(Seen::Malformed { what: format!("of another stream: {message}") });
            return None;
        }
        if message.get("json").is_none() {
            stand(reader, message);
            return None;
        }
        let cursor = message["cursor"].as_str().unwrap_or_default().to_owned();
        reader.event(&message["json"].to_string(), Some(&cursor));
        reader.cursor = Some(cursor);
        self.used += 1;
        if self.used < CREDIT / 2 {
            return None;
        }
        let messages = std::mem::take(&mut self.used);
        Some(json!({ "credit": { "call": self.call, "messages": messages } }))
    }

    /// Takes the end of the call: why, as it was said.
    pub(crate) fn ended(&self, reader: &mut Reader, end: &Value) -> String {
        let reason = end["details"][0]["reason"].as_str().unwrap_or_default().to_owned();
        let status = end["status"].as_u64().unwrap_or_default();
        let seen = match (status, reason.as_str(), self.has_opened) {
            (0, ..) => Seen::Ended,
            (16, _, false) => Seen::Refused { status: 401, reason: reason.clone() },
            (7, _, false) => Seen::Refused { status: 403, reason: reason.clone() },
            (4 | 14, _, false) => Seen::Refused { status: 503, reason: reason.clone() },
            (_, "ACCESS_LOST", true) => Seen::Closed { reason: "access_lost".into() },
            (16, "TOKEN_EXPIRED" | "TOKEN_REVOKED", true) => Seen::Closed { reason: reason.to_lowercase() },
            (14, "STREAM_CLOSED", true) => Seen::Closed { reason: "max_age".into() },
            (14, "DRAINING", true) => Seen::Closed { reason: "drain".into() },
            (14, _, true) => Seen::Closed { reason: "upstream_unavailable".into() },
            _ => Seen::Failed { reason: reason.clone() },
        };
        reader.see(seen);
        reason
    }
}

/// Remembers where the stream stands.
fn stand(reader: &mut Reader, value: &Value) {
    if let Some(cursor) = value["cursor"].as_str() {
        reader.cursor = Some(cursor.to_owned());
        reader.see(Seen::Stands { token: cursor.into() });
    }
}
