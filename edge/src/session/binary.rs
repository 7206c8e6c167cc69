//! Frames in protobuf.

use bytes::Bytes;
use lastmile_proto::edge::v1 as wire;
use prost::Message as _;
use prost_types::value::Kind as ValueKind;
use prost_types::{ListValue, Struct, Value as ProtoValue};
use serde_json::{Map, Number, Value};

use super::close::Violation;
use super::frame::{
    ClientFrame, Credential, Encoding, End, Hello, Message, Open, OpenOutcome, Opened, Payload, ServerFrame,
    Target,
};

/// Reads one frame of the browser.
///
/// # Errors
/// What is wrong with it.
pub fn read(source: &Bytes) -> Result<ClientFrame, Violation> {
    use wire::client_frame::Frame;
    let frame = wire::ClientFrame::decode(source.clone())
        .map_err(|error| Violation::protocol(format!("The frame is no ClientFrame: {error}.")))?;
    let frame =
        frame.frame.ok_or_else(|| Violation::protocol("The frame says nothing that is known here."))?;
    Ok(match frame {
        Frame::Hello(hello) => ClientFrame::Hello(Hello {
            credential: hello.credential.map(|credential| match credential {
                wire::hello::Credential::Token(token) => Credential::Token(token),
                wire::hello::Credential::Ticket(ticket) => Credential::Ticket(ticket),
            }),
            session: hello.session,
            received: hello.received,
            traceparent: hello.traceparent,
        }),
        Frame::Open(open) => ClientFrame::Open(Open {
            call: open.call,
            method: open.method,
            payload: match open.payload {
                Some(wire::open::Payload::Json(json)) => Some(text(json)?),
                Some(wire::open::Payload::Proto(proto)) => Some(Payload::Proto(proto.into())),
                None => None,
            },
            cursor: open.cursor,
            credit: open.credit,
            encoding: encoding(open.encoding)?,
            timeout_ms: open.timeout_ms,
            headers: open.headers.into_iter().collect(),
        }),
        Frame::Send(send) => ClientFrame::Send {
            call: send.call,
            payload: match send.payload {
                Some(wire::send::Payload::Json(json)) => Some(text(json)?),
                Some(wire::send::Payload::Proto(proto)) => Some(Payload::Proto(proto.into())),
                None => None,
            },
        },
        Frame::HalfClose(frame) => ClientFrame::HalfClose { call: frame.call },
        Frame::Cancel(frame) => ClientFrame::Cancel { call: frame.call },
        Frame::Credit(frame) => ClientFrame::Credit { call: frame.call, messages: frame.messages },
        Frame::Auth(frame) => ClientFrame::Auth { token: frame.token },
        Frame::Ack(frame) => ClientFrame::Ack { received: frame.received },
        Frame::Ping(_) => ClientFrame::Ping,
    })
}

/// Appends a frame of the edge.
pub fn write(frame: &ServerFrame, out: &mut Vec<u8>) {
    let frame = wire::ServerFrame { frame: Some(encoded(frame)) };
    // A Vec has room for everything.
    let _ = frame.encode(out);
}

fn encoded(frame: &ServerFrame) -> wire::server_frame::Frame {
    use wire::server_frame::Frame;
    match frame {
        ServerFrame::Ready(ready) => Frame::Ready(wire::Ready {
            session: ready.session.clone(),
            received: ready.received,
            heartbeat_ms: ready.heartbeat_ms,
            resume_ms: ready.resume_ms,
        }),
        ServerFrame::Opened(opened) => Frame::Opened(opened_frame(opened)),
        ServerFrame::Message(message) => Frame::Message(message_frame(message)),
        ServerFrame::End(end) => Frame::End(end_frame(end)),
        ServerFrame::AuthExpiring { expires_ms } => {
            Frame::AuthExpiring(wire::AuthExpiring { expires_ms: *expires_ms })
        }
        ServerFrame::Authed { expires_ms } => Frame::Authed(wire::Authed { expires_ms: *expires_ms }),
        ServerFrame::Goaway { reconnect_ms, fallback, reason } => Frame::Goaway(wire::Goaway {
            reconnect_ms: *reconnect_ms,
            fallback: (*fallback).to_owned(),
            reason: reason.clone(),
        }),
        ServerFrame::Pong => Frame::Pong(wire::Pong {}),
        ServerFrame::Credit { call, messages } => {
            Frame::Credit(wire::Credit { call: *call, messages: *messages })
        }
        ServerFrame::Ack { received } => Frame::Ack(wire::Ack { received: *received }),
    }
}

fn opened_frame(opened: &Opened) -> wire::Opened {
    let outcome = match opened.outcome {
        OpenOutcome::None => wire::Outcome::Unspecified,
        OpenOutcome::Fresh => wire::Outcome::Fresh,
        OpenOutcome::Resumed => wire::Outcome::Resumed,
        OpenOutcome::Gap => wire::Outcome::Gap,
    };
    wire::Opened {
        call: opened.call,
        channel: opened.channel,
        outcome: outcome.into(),
        reason: opened.reason.clone(),
        cursor: opened.cursor.clone(),
    }
}

fn message_frame(message: &Message) -> wire::Message {
    wire::Message {
        target: Some(match message.target {
            Target::Call(call) => wire::message::Target::Call(call),
            Target::Channel(channel) => wire::message::Target::Channel(channel),
        }),
        cursor: message.cursor.clone(),
        event: message.event.clone(),
        payload: message.payload.as_ref().map(|payload| match payload {
            Payload::Json(json) => wire::message::Payload::Json(value(json)),
            Payload::Proto(proto) => wire::message::Payload::Proto(proto.to_vec()),
        }),
    }
}

fn end_frame(end: &End) -> wire::End {
    let detail = |detail: &crate::error::Detail| prost_types::Any {
        type_url: detail.type_url.clone(),
        value: detail.value.to_vec(),
    };
    wire::End {
        call: end.call,
        status: end.status,
        message: end.message.clone(),
        details: end.details.iter().map(detail).collect(),
        trailers: end.trailers.clone().into_iter().collect(),
    }
}

fn encoding(number: i32) -> Result<Option<Encoding>, Violation> {
    match wire::Encoding::try_from(number) {
        Ok(wire::Encoding::Unspecified) => Ok(None),
        Ok(wire::Encoding::Json) => Ok(Some(Encoding::Json)),
        Ok(wire::Encoding::Proto) => Ok(Some(Encoding::Proto)),
        Err(_) => Err(Violation::protocol(format!("There is no encoding {number}."))),
    }
}

/// The text that a Value stands for.
fn text(json: ProtoValue) -> Result<Payload, Violation> {
    let not_json = || Violation::protocol("A Value without a kind, or a number that is none, is no JSON.");
    Ok(Payload::Json(tree(json).ok_or_else(not_json)?.to_string().into()))
}

fn tree(json: ProtoValue) -> Option<Value> {
    Some(match json.kind? {
        ValueKind::NullValue(_) => Value::Null,
        ValueKind::BoolValue(flag) => flag.into(),
        ValueKind::StringValue(text) => text.into(),
        ValueKind::NumberValue(number) => Value::Number(number_of(number)?),
        ValueKind::StructValue(fields) => {
            let fields = fields.fields.into_iter().map(|(name, value)| Some((name, tree(value)?)));
            Value::Object(fields.collect::<Option<Map<_, _>>>()?)
        }
        ValueKind::ListValue(list) => {
            Value::Array(list.values.into_iter().map(tree).collect::<Option<Vec<_>>>()?)
        }
    })
}

/// Whole numbers are written as such: a message's integers take no fraction.
fn number_of(number: f64) -> Option<Number> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() <= EXACT {
        return Some(Number::from(number as i64));
    }
    Number::from_f64(number)
}

/// The Value of a JSON text; what the edge wrote itself is JSON.
fn value(json: &[u8]) -> ProtoValue {
    let tree: Value = serde_json::from_slice(json).unwrap_or_default();
    proto_value(tree)
}

fn proto_value(tree: Value) -> ProtoValue {
    let kind = match tree {
        Value::Null => ValueKind::NullValue(0),
        Value::Bool(flag) => ValueKind::BoolValue(flag),
        Value::Number(number) => ValueKind::NumberValue(number.as_f64().unwrap_or_default()),
        Value::String(text) => ValueKind::StringValue(text),
        Value::Array(values) => {
            ValueKind::ListValue(ListValue { values: values.into_iter().map(proto_value).collect() })
        }
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(name, value)| (name, proto_value(value))).collect();
            ValueKind::StructValue(Struct { fields })
        }
    };
    ProtoValue { kind: Some(kind) }
}
