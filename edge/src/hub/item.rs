//! One thing a stream delivers, rendered from an upstream message.

use bytes::Bytes;
use prost_reflect::{DynamicMessage, Kind, Value};

use crate::schema::check_stream::is_event_name;
use crate::schema::method::{EventName, Method, Stream};
use crate::transcode::write_json;

use super::position::cursor_bytes;

/// One thing a stream delivers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    Event {
        name: Option<String>,
        json: Bytes,
    },
    /// No event: only the cursor moved.
    Position,
    /// An event that the edge cannot render; its reason.
    Skipped(&'static str),
}

/// What an upstream message says.
#[derive(Debug)]
pub struct Rendered {
    pub item: Item,
    /// Its cursor, on durable streams, where it can be read.
    pub cursor: Option<Vec<u8>>,
    /// The cursor of the event before, where the rule names it.
    pub previous: Option<Vec<u8>>,
}

/// Renders a message of a server-streaming method; one over `limit` bytes is skipped.
pub fn render(method: &Method, stream: &Stream, message: Bytes, limit: usize) -> Rendered {
    let size = message.len();
    let message = match DynamicMessage::decode(method.descriptor.output(), message) {
        Ok(message) => message,
        Err(cause) => {
            tracing::error!(method = method.name(), %cause, "skipped a message that the descriptors do not describe");
            return Rendered { item: Item::Skipped("unreadable"), cursor: None, previous: None };
        }
    };
    let durable = stream.durable.as_ref();
    let is_position = durable
        .and_then(|durable| durable.position.as_ref())
        .is_some_and(|path| matches!(*path.get(&message), Value::Bool(true)));
    let item = if is_position {
        Item::Position
    } else if size > limit {
        tracing::warn!(method = method.name(), size, limit, "skipped an event: it is too large");
        Item::Skipped("too_large")
    } else {
        event(method, stream, &message)
    };
    Rendered {
        item,
        cursor: durable.map(|durable| cursor_bytes(&durable.cursor.get(&message))),
        previous: durable
            .and_then(|durable| durable.previous.as_ref())
            .map(|path| cursor_bytes(&path.get(&message))),
    }
}

fn event(method: &Method, stream: &Stream, message: &DynamicMessage) -> Item {
    let name = event_name(&stream.event, message);
    if name.as_ref().is_some_and(|name| !is_event_name(name)) {
        tracing::warn!(method = method.name(), name, "skipped an event: its name cannot stand in a stream");
        return Item::Skipped("event_name");
    }
    let json = match stream.data.as_ref().map(|path| path.get(message)) {
        Some(value) => match &*value {
            Value::Message(data) => write_json(data),
            _ => Ok(b"null".to_vec()),
        },
        None => write_json(message),
    };
    match json {
        Ok(json) => Item::Event { name, json: json.into() },
        Err(cause) => {
            tracing::warn!(method = method.name(), %cause, "skipped an event");
            Item::Skipped("unwritable")
        }
    }
}

fn event_name(rule: &EventName, message: &DynamicMessage) -> Option<String> {
    match rule {
        EventName::None => None,
        EventName::Field(path) => match (&*path.get(message), path.field().kind()) {
            (Value::String(name), _) => Some(name.clone()).filter(|name| !name.is_empty()),
            (Value::EnumNumber(number), Kind::Enum(kind)) => {
                kind.get_value(*number).map(|value| value.name().to_owned())
            }
            _ => None,
        },
        EventName::Oneof(oneof, names) => {
            let set = oneof.fields().find(|field| message.has_field(field))?;
            names.get(&set.number()).cloned()
        }
    }
}
