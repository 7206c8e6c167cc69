//! Single fields of an encoded message, found by their path without reading the rest.

use std::borrow::Cow;

use prost_reflect::Kind;

use crate::schema::FieldPath;
use crate::schema::field::Step;

use super::wire::{Malformed, Tag, Wire, WireType};

type Result<T> = std::result::Result<T, Malformed>;

/// The text of a string field; empty when it is not set.
pub fn text<'a>(path: &FieldPath, message: &'a [u8]) -> Result<&'a str> {
    match last(path, message)? {
        Some((_, mut wire)) => utf8(wire.bytes()?),
        None => Ok(""),
    }
}

/// The value of a bool field; false when it is not set.
pub fn flag(path: &FieldPath, message: &[u8]) -> Result<bool> {
    match last(path, message)? {
        Some((_, mut wire)) => Ok(wire.varint()? != 0),
        None => Ok(false),
    }
}

/// The number of an enum field, its default when it is not set.
pub fn enum_number(path: &FieldPath, message: &[u8]) -> Result<i32> {
    match last(path, message)? {
        Some((_, mut wire)) => Ok(wire.varint()? as i32),
        None => Ok(path.field().default_value().as_enum_number().unwrap_or_default()),
    }
}

/// The bytes of a string or bytes field, an integer in decimal; those of its default when it is not set.
pub fn cursor(path: &FieldPath, message: &[u8]) -> Result<Vec<u8>> {
    match (last(path, message)?, path.field().kind()) {
        (Some((_, mut wire)), kind) => plain(&kind, &mut wire),
        (None, Kind::String | Kind::Bytes) => Ok(Vec::new()),
        (None, kind) => plain(&kind, &mut Wire::new(&[0; 8])),
    }
}

/// The bytes of a string or bytes value, an integer in decimal; nothing of other kinds.
pub fn plain(kind: &Kind, wire: &mut Wire<'_>) -> Result<Vec<u8>> {
    Ok(match kind {
        Kind::String => utf8(wire.bytes()?)?.into(),
        Kind::Bytes => wire.bytes()?.to_vec(),
        Kind::Int32 | Kind::Enum(_) => (wire.varint()? as i32).to_string().into_bytes(),
        Kind::Int64 => (wire.varint()? as i64).to_string().into_bytes(),
        Kind::Uint32 => (wire.varint()? as u32).to_string().into_bytes(),
        Kind::Uint64 => wire.varint()?.to_string().into_bytes(),
        Kind::Fixed32 => wire.fixed32()?.to_string().into_bytes(),
        Kind::Fixed64 => wire.fixed64()?.to_string().into_bytes(),
        _ => Vec::new(),
    })
}

/// The encoded message that a path leads to, its parts merged; empty when it is not set.
pub fn message<'a>(path: &FieldPath, message: &'a [u8]) -> Result<Cow<'a, [u8]>> {
    let found = find(path.steps(), message)?;
    let Some((tag, mut wire)) = found.last else { return Ok(Cow::Borrowed(b"")) };
    let last = wire.message(tag)?;
    if found.earlier.is_empty() {
        return Ok(Cow::Borrowed(last));
    }
    let mut merged = Vec::new();
    for (tag, mut wire) in found.earlier {
        merged.extend_from_slice(wire.message(tag)?);
    }
    merged.extend_from_slice(last);
    Ok(Cow::Owned(merged))
}

/// Which of these fields of a message is the last on the wire: the member of a oneof that is set.
pub fn last_of(message: &[u8], is_member: impl Fn(u32) -> bool) -> Result<Option<u32>> {
    let mut last = None;
    let mut wire = Wire::new(message);
    while let Some(tag) = wire.tag()? {
        wire.skip(tag)?;
        if is_member(tag.number) {
            last = Some(tag.number);
        }
    }
    Ok(last)
}

/// Where a field lies on the wire.
#[derive(Debug, Default)]
pub(super) struct Found<'a> {
    pub(super) last: Option<(Tag, Wire<'a>)>,
    /// Parts of a message that came before.
    earlier: Vec<(Tag, Wire<'a>)>,
}

fn utf8(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| Malformed("is not valid UTF-8"))
}

/// The last value of a scalar field.
fn last<'a>(path: &FieldPath, message: &'a [u8]) -> Result<Option<(Tag, Wire<'a>)>> {
    let found = find(path.steps(), message)?.last;
    match found {
        Some((tag, _)) if tag.wire_type != wire_type(&path.field().kind()) => {
            Err(Malformed("is encoded as another type"))
        }
        found => Ok(found),
    }
}

pub(super) fn find<'a>(steps: &[Step], message: &'a [u8]) -> Result<Found<'a>> {
    let mut found = Found::default();
    descend(steps, message, &mut found)?;
    Ok(found)
}

fn descend<'a>(steps: &[Step], message: &'a [u8], found: &mut Found<'a>) -> Result<()> {
    let [step, below @ ..] = steps else { return Ok(()) };
    let mut wire = Wire::new(message);
    while let Some(tag) = wire.tag()? {
        let at = wire;
        wire.skip(tag)?;
        if step.rivals.contains(&tag.number) {
            // Another member of the oneof clears it.
            *found = Found::default();
        } else if tag.number == step.number && !below.is_empty() {
            descend(below, { at }.message(tag)?, found)?;
        } else if tag.number == step.number
            && let Some(last) = found.last.replace((tag, at))
            && step.is_message
        {
            found.earlier.push(last);
        }
    }
    Ok(())
}

/// How a value of this kind is encoded by itself.
pub fn wire_type(kind: &Kind) -> WireType {
    match kind {
        Kind::Fixed32 | Kind::Sfixed32 | Kind::Float => WireType::Fixed32,
        Kind::Fixed64 | Kind::Sfixed64 | Kind::Double => WireType::Fixed64,
        Kind::String | Kind::Bytes | Kind::Message(_) => WireType::Length,
        _ => WireType::Varint,
    }
}
