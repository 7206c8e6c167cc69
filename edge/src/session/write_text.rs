//! Writes a frame of the edge as ProtoJSON: what is empty is left out, payloads are put in as they are.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::frame::{Message, OpenOutcome, Payload, ServerFrame, Target};

/// Appends a frame.
pub fn write(frame: &ServerFrame, out: &mut Vec<u8>) {
    if let ServerFrame::Message(message) = frame {
        return write_message(message, out);
    }
    let text = value(frame).to_string();
    out.extend_from_slice(text.as_bytes());
}

/// Appends a message; what is sent most is written without a tree.
pub fn write_message(message: &Message, out: &mut Vec<u8>) {
    let (name, number) = match message.target {
        Target::Call(call) => ("call", call),
        Target::Channel(channel) => ("channel", channel),
    };
    // A Vec takes everything.
    let _ = write!(out, r#"{{"message":{{"{name}":{number}"#);
    for (name, text) in [("cursor", &message.cursor), ("event", &message.event)] {
        if !text.is_empty() {
            let _ = write!(out, r#","{name}":{}"#, Value::from(text.as_str()));
        }
    }
    match &message.payload {
        Some(Payload::Json(json)) => {
            out.extend_from_slice(br#","json":"#);
            out.extend_from_slice(json);
        }
        Some(Payload::Proto(proto)) => {
            let _ = write!(out, r#","proto":"{}""#, STANDARD.encode(proto));
        }
        None => {}
    }
    out.extend_from_slice(b"}}");
}

fn value(frame: &ServerFrame) -> Value {
    match frame {
        ServerFrame::Ready(ready) => {
            let mut fields = Fields::default();
            fields.text("session", &ready.session);
            fields.number("received", ready.received);
            fields.number("heartbeatMs", ready.heartbeat_ms);
            fields.number("resumeMs", ready.resume_ms);
            fields.named("ready")
        }
        ServerFrame::Opened(opened) => {
            let mut fields = Fields::default();
            fields.number("call", opened.call);
            fields.number("channel", opened.channel);
            fields.text(
                "outcome",
                match opened.outcome {
                    OpenOutcome::None => "",
                    OpenOutcome::Fresh => "OUTCOME_FRESH",
                    OpenOutcome::Resumed => "OUTCOME_RESUMED",
                    OpenOutcome::Gap => "OUTCOME_GAP",
                },
            );
            fields.text("reason", &opened.reason);
            fields.text("cursor", &opened.cursor);
            fields.named("opened")
        }
        ServerFrame::End(end) => {
            let mut fields = Fields::default();
            fields.number("call", end.call);
            fields.number("status", end.status);
            fields.text("message", &end.message);
            if !end.details.is_empty() {
                let details: Vec<&Value> = end.details.iter().map(|detail| &detail.json).collect();
                fields.0.insert("details".into(), json!(details));
            }
            if !end.trailers.is_empty() {
                fields.0.insert("trailers".into(), json!(end.trailers));
            }
            fields.named("end")
        }
        ServerFrame::AuthExpiring { expires_ms } => numbers("authExpiring", &[("expiresMs", *expires_ms)]),
        ServerFrame::Authed { expires_ms } => numbers("authed", &[("expiresMs", *expires_ms)]),
        ServerFrame::Goaway { reconnect_ms, fallback, reason } => {
            let mut fields = Fields::default();
            fields.number("reconnectMs", *reconnect_ms);
            fields.text("fallback", fallback);
            fields.text("reason", reason);
            fields.named("goaway")
        }
        ServerFrame::Pong => numbers("pong", &[]),
        ServerFrame::Credit { call, messages } => {
            numbers("credit", &[("call", *call), ("messages", *messages)])
        }
        ServerFrame::Ack { received } => numbers("ack", &[("received", *received)]),
        // Written without a tree, above.
        ServerFrame::Message(_) => Value::Null,
    }
}

#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn number(&mut self, name: &str, number: u32) {
        if number != 0 {
            self.0.insert(name.into(), number.into());
        }
    }

    fn text(&mut self, name: &str, text: &str) {
        if !text.is_empty() {
            self.0.insert(name.into(), text.into());
        }
    }

    fn named(self, name: &str) -> Value {
        let mut frame = Map::new();
        frame.insert(name.into(), Value::Object(self.0));
        Value::Object(frame)
    }
}

fn numbers(name: &str, given: &[(&str, u32)]) -> Value {
    let mut fields = Fields::default();
    given.iter().for_each(|(name, number)| fields.number(name, *number));
    fields.named(name)
}
