//! What a caller does about the frames that it hears.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::deeds::Deed;

use super::trick::Trick;
use super::{Caller, Gone};

/// Acknowledges what was had every so many frames.
const ACK_EVERY: u64 = 8;
/// The edge says at once that a token of a few seconds expires soon.
const RENEW_EVERY: Duration = Duration::from_secs(3);

/// Whether a frame of a client has a number.
pub(super) fn is_counted(frame: &Value) -> bool {
    ["open", "send", "halfClose", "cancel", "credit"].iter().any(|name| frame.get(name).is_some())
}

impl Caller {
    /// Takes a frame; tells why the connection is of no more use, if it is.
    pub(super) async fn take(&mut self, frame: &Value) -> Option<Gone> {
        let (name, value) = frame.as_object()?.iter().next()?;
        let before = self.numbers.received;
        self.numbers.hear(name, value);
        if self.numbers.received > before && self.numbers.received.is_multiple_of(ACK_EVERY) {
            self.outgoing.push(json!({ "ack": { "received": self.numbers.received } }));
        }
        match name.as_str() {
            "ack" => {
                let received = value["received"].as_u64().unwrap_or_default();
                if !self.numbers.acknowledge(received) {
                    let what = format!("the edge acknowledges {received} of {}", self.numbers.sent());
                    self.did(Deed::Malformed { what });
                }
            }
            // One that comes again is of a stream that went with the last connection.
            "opened" if self.work.has_stream => _ = self.work.stream.opened(&mut self.reader, value),
            "message" => self.message(value),
            "end" => self.end(value),
            "credit" => self.work.credit(value),
            "authExpiring" => self.renew().await,
            "goaway" => return self.goaway(value),
            _ => {}
        }
        None
    }

    /// A new token before the old one is over.
    async fn renew(&mut self) {
        if self.renewed.is_some_and(|at| at.elapsed() < RENEW_EVERY) {
            return;
        }
        self.renewed = Some(Instant::now());
        if self.reader.renew().await
            && let Some(token) = self.reader.credential.token()
        {
            self.outgoing.push(json!({ "auth": { "token": token } }));
        }
    }

    fn message(&mut self, message: &Value) {
        let call = message["call"].as_u64().unwrap_or_default();
        if let Some(number) = self.work.publishing.get(&call).copied() {
            if self.work.trick == Some(Trick::MissAnswers) && number.is_multiple_of(5) {
                return;
            }
            let cursor = message["json"]["cursor"].as_str().unwrap_or_default();
            self.work.answered(call, number);
            self.did(Deed::Answered { number, cursor: cursor.into() });
        } else if self.work.looking == Some(call) {
            let version = self.work.look(&message["json"]);
            self.did(Deed::Looked { version });
        } else if self.work.talk.as_ref().is_some_and(|talk| talk.call == call) {
            self.said(&message["json"]);
        } else if message.get("cursor").is_some() {
            let credit = self.work.stream.message(&mut self.reader, message);
            self.send(credit);
        } else if !self.work.is_over(call) {
            self.did(Deed::Malformed { what: format!("of no call: {message}") });
        }
    }

    fn said(&mut self, json: &Value) {
        let (Some(talk), Some(place)) = (&mut self.work.talk, &mut self.work.place) else { return };
        let (deed, credit) = talk.hear(json, place);
        let deeds = self.work.tricked(deed);
        for deed in deeds {
            self.did(deed);
        }
        self.send(credit);
    }

    fn end(&mut self, end: &Value) {
        let call = end["call"].as_u64().unwrap_or_default();
        let status = end["status"].as_u64().unwrap_or_default();
        let reason = end["details"][0]["reason"].as_str().unwrap_or_default();
        if call == self.work.stream.call {
            self.work.stream.ended(&mut self.reader, end);
            self.work.has_stream = false;
        } else if let Some(number) = self.work.publishing.remove(&call) {
            if self.work.trick != Some(Trick::MissAnswers) || !number.is_multiple_of(5) {
                self.did(Deed::Failed { number, status, reason: reason.to_owned() });
            }
        } else if self.work.looking == Some(call) {
            self.work.looking = None;
        } else if self.work.talk.as_ref().is_some_and(|talk| talk.call == call)
            && let Some(talk) = self.work.talk.take()
        {
            // Whatever the reason, what is known of the document may be of a log that is gone.
            if matches!(status, 3 | 5 | 10 | 11) {
                self.work.place = None;
            }
            self.did(talk.end(status, reason));
        }
    }

    fn goaway(&mut self, goaway: &Value) -> Option<Gone> {
        let reason = goaway["reason"].as_str().unwrap_or_default().to_owned();
        match reason.as_str() {
            "TOKEN_REVOKED" => {
                self.did(Deed::Over { reason: reason.clone() });
                self.forget();
            }
            // The connection stays until its turn; another may be had at once.
            "drain" | "TOKEN_EXPIRED" | "session_silent" | "session_superseded" => {}
            _ => self.did(Deed::Malformed { what: format!("goaway: {reason}") }),
        }
        Some(Gone::Told(reason))
    }

    /// Sends a frame that is counted.
    pub(super) fn send(&mut self, frame: Option<Value>) {
        let frame = frame.map(|frame| self.numbers.keep(frame));
        self.outgoing.extend(frame);
    }
}
