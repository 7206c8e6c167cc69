//! Frames of sessions: what is read from text is what the reference reads, and bytes never do harm.

use std::sync::LazyLock;

use bytes::Bytes;
use lastmile_edge::deliver::websocket::{Decoder, Fault, Incoming};
use lastmile_edge::session::{ClientFrame, Payload, binary, read_text};
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use serde_json::Value;

use super::Target;

pub(super) const TARGET: Target = Target {
    name: "session",
    run,
    words: &[
        br#"{"hello":{"token":"t"}}"#,
        br#"{"open":{"call":1,"method":"a.B/C","json":{}}}"#,
        br#""json":"#,
        br#""proto":"AAAA""#,
        br#""call":"7""#,
        br#""encoding":"ENCODING_PROTO""#,
        br#"{"halfClose":{"call":1}}"#,
        br#"{"ping":{}}"#,
        b"null",
        b"4294967296",
        b"1e3",
        &[0x81, 0x82, 0, 0, 0, 0, b'{', b'}'],
        &[0x01, 0x80, 0, 0, 0, 0],
        &[0x89, 0x80, 1, 2, 3, 4],
        &[0x88, 0x82, 0, 0, 0, 0, 3, 0xe8],
        &[0x82, 0xfe, 0, 126],
    ],
};

/// Of one message on the socket, in bytes.
const LIMIT: usize = 64;

static CLIENT_FRAME: LazyLock<MessageDescriptor> = LazyLock::new(|| {
    let pool = DescriptorPool::decode(lastmile_proto::EDGE_DESCRIPTORS).expect("our own descriptors");
    pool.get_message_by_name("lastmile.edge.v1.ClientFrame").expect("our own frame")
});

fn run(data: &[u8]) -> bool {
    // None of them may be left out: each fails for itself.
    [text(data), bytes(data), socket(data)].contains(&true)
}

fn text(data: &[u8]) -> bool {
    let Ok(frame) = read_text::read(&Bytes::copy_from_slice(data)) else { return false };
    let mut deserializer = serde_json::Deserializer::from_slice(data);
    // What the reference refuses and we read: depths and numbers beyond serde's own limits, and repeated fields.
    let Ok(reference) = DynamicMessage::deserialize(CLIENT_FRAME.clone(), &mut deserializer) else {
        return true;
    };
    let reference = binary::read(&reference.encode_to_vec().into());
    // A payload that only text can say, such as a number beyond doubles.
    let Ok(reference) = reference else { return true };
    assert_eq!(plain(frame), plain(reference), "{}", data.escape_ascii());
    true
}

fn bytes(data: &[u8]) -> bool {
    binary::read(&Bytes::copy_from_slice(data)).is_ok()
}

/// The same however it is cut.
fn socket(data: &[u8]) -> bool {
    let whole = decoded(&[data]);
    for size in [1, 3] {
        assert_eq!(decoded(&data.chunks(size).collect::<Vec<_>>()), whole, "in chunks of {size}");
    }
    let (incoming, fault) = whole;
    let held = |incoming: &Incoming| match incoming {
        Incoming::Text(bytes) | Incoming::Binary(bytes) => bytes.len(),
        Incoming::Ping(bytes) => bytes.len().saturating_sub(LIMIT),
        Incoming::Pong | Incoming::Fragment | Incoming::Close(_) => 0,
    };
    assert!(incoming.iter().all(|incoming| held(incoming) <= LIMIT));
    !incoming.is_empty() && fault.is_none()
}

fn decoded(chunks: &[&[u8]]) -> (Vec<Incoming>, Option<Fault>) {
    let (mut decoder, mut incoming) = (Decoder::new(LIMIT), Vec::new());
    for chunk in chunks {
        decoder.feed(chunk);
        loop {
            match decoder.take() {
                Ok(Some(one)) => incoming.push(one),
                Ok(None) => break,
                Err(fault) => return (incoming, Some(fault)),
            }
        }
    }
    (incoming, None)
}

/// The same with payloads as values: text may be spaced, and a Value has doubles only.
fn plain(mut frame: ClientFrame) -> (ClientFrame, Option<Value>) {
    let payload = match &mut frame {
        ClientFrame::Open(open) => &mut open.payload,
        ClientFrame::Send { payload, .. } => payload,
        _ => return (frame, None),
    };
    let value = match payload {
        Some(Payload::Json(json)) => serde_json::from_slice(json).ok().map(doubles),
        _ => return (frame, None),
    };
    *payload = None;
    (frame, value)
}

fn doubles(value: Value) -> Value {
    match value {
        Value::Number(number) => number.as_f64().map_or(Value::Null, Value::from),
        Value::Array(values) => values.into_iter().map(doubles).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, doubles(value))).collect(),
        other => other,
    }
}
