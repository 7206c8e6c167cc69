//! Upstream cursors as bytes: read from messages, put into requests.

use bytes::Bytes;
use prost_reflect::{DynamicMessage, Kind, Value};

use crate::schema::method::Durable;

/// A cursor field as bytes; integers in decimal.
pub fn cursor_bytes(value: &Value) -> Vec<u8> {
    match value {
        Value::String(text) => text.clone().into_bytes(),
        Value::Bytes(bytes) => bytes.to_vec(),
        Value::I32(number) => number.to_string().into_bytes(),
        Value::I64(number) => number.to_string().into_bytes(),
        Value::U32(number) => number.to_string().into_bytes(),
        Value::U64(number) => number.to_string().into_bytes(),
        _ => Vec::new(),
    }
}

/// Puts a cursor into the request's resume field; `None` when the field cannot carry it.
pub fn set_resume(durable: &Durable, request: &mut DynamicMessage, cursor: &[u8]) -> Option<()> {
    let text = || std::str::from_utf8(cursor).ok();
    let value = match durable.resume.field().kind() {
        Kind::Bytes => Value::Bytes(Bytes::copy_from_slice(cursor)),
        Kind::String => Value::String(text()?.to_owned()),
        Kind::Int32 => Value::I32(text()?.parse().ok()?),
        Kind::Int64 => Value::I64(text()?.parse().ok()?),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(text()?.parse().ok()?),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(text()?.parse().ok()?),
        _ => return None,
    };
    durable.resume.set(request, value);
    // Where a field has no presence, its default would ask for no cursor at all: a silent restart.
    durable.resume.is_set(request).then_some(())
}
