//! Reads an upstream message: what it delivers, and where it stands.

use prost_reflect::Kind;

use crate::schema::check_stream::is_event_name;
use crate::schema::method::{EventName, Method, Stream};
use crate::transcode::{Unwritable, pick, write_json};

use super::event::Draft;

/// What an upstream message delivers.
#[derive(Debug)]
pub enum Content {
    Event(Draft),
    /// No event: only the cursor moved.
    Position,
    /// An event that the edge cannot render; its reason.
    Skipped(&'static str),
}

/// What an upstream message says.
#[derive(Debug)]
pub struct Rendered {
    pub content: Content,
    /// Its cursor, on durable streams, where it can be read.
    pub cursor: Option<Vec<u8>>,
    /// The cursor of the event before, where the rule names it.
    pub previous: Option<Vec<u8>>,
}

/// Renders a message of a server-streaming method; one over `limit` bytes is skipped.
pub fn render(method: &Method, stream: &Stream, message: &[u8], limit: usize) -> Rendered {
    match try_render(method, stream, message, limit) {
        Ok(rendered) => rendered,
        Err(cause) => {
            tracing::error!(method = method.name(), %cause, "skipped a message that the descriptors do not describe");
            Rendered { content: Content::Skipped("unreadable"), cursor: None, previous: None }
        }
    }
}

/// Fails when the bytes are not of the method's type; then nothing in them is trusted.
fn try_render(
    method: &Method,
    stream: &Stream,
    message: &[u8],
    limit: usize,
) -> Result<Rendered, Unwritable> {
    let size = message.len();
    let (mut cursor, mut previous, mut is_position) = (None, None, false);
    if let Some(durable) = &stream.durable {
        cursor = Some(pick::cursor(&durable.cursor, message)?);
        previous = durable.previous.as_ref().map(|path| pick::cursor(path, message)).transpose()?;
        is_position = durable.position.as_ref().map_or(Ok(false), |path| pick::flag(path, message))?;
    }
    let content = if is_position {
        Content::Position
    } else if size > limit {
        tracing::warn!(method = method.name(), size, limit, "skipped an event: it is too large");
        Content::Skipped("too_large")
    } else {
        event(method, stream, message)?
    };
    Ok(Rendered { content, cursor, previous })
}

fn event(method: &Method, stream: &Stream, message: &[u8]) -> Result<Content, Unwritable> {
    let name = event_name(&stream.event, message)?;
    if name.as_ref().is_some_and(|name| !is_event_name(name)) {
        tracing::warn!(method = method.name(), name, "skipped an event: its name cannot stand in a stream");
        return Ok(Content::Skipped("event_name"));
    }
    let written = Draft::new(name.as_deref(), |out| match &stream.data {
        Some((path, id)) => write_json(&method.plan, *id, &pick::message(path, message)?, out),
        None => write_json(&method.plan, method.output, message, out),
    });
    match written {
        Ok(draft) => Ok(Content::Event(draft)),
        Err(cause) if cause.is_malformed() => Err(cause),
        Err(cause) => {
            tracing::warn!(method = method.name(), %cause, "skipped an event");
            Ok(Content::Skipped("unwritable"))
        }
    }
}

fn event_name(rule: &EventName, message: &[u8]) -> Result<Option<String>, Unwritable> {
    Ok(match rule {
        EventName::None => None,
        EventName::Field(path) => match path.field().kind() {
            Kind::Enum(kind) => {
                kind.get_value(pick::enum_number(path, message)?).map(|value| value.name().to_owned())
            }
            _ => Some(pick::text(path, message)?.to_owned()).filter(|name| !name.is_empty()),
        },
        EventName::Oneof(_, names) => {
            let set = pick::last_of(message, |number| names.contains_key(&number))?;
            set.and_then(|number| names.get(&number).cloned())
        }
    })
}
