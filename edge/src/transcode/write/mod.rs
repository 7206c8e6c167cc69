//! Encoded messages to JSON (protobuf.dev, "ProtoJSON Format"), straight from the bytes.
//!
//! Default values are printed, 64-bit integers are strings, enums names, fields in the order of declaration, map entries
//! in the order of the wire. A message whose fields come in the order of declaration is written in one pass; any other
//! is indexed first, so that equal messages give equal bytes.

mod writer;
mod value;
mod map;
mod field;
mod in_order;
mod index;
mod form;

use crate::schema::plan::{MessageId, Plan};

use super::unwritable::Unwritable;

/// Appends the JSON of an encoded message of this type.
///
/// # Errors
/// When the bytes are not of this type, or hold a value without JSON form. Nothing is appended then.
pub fn write_json(plan: &Plan, id: MessageId, message: &[u8], out: &mut Vec<u8>) -> Result<(), Unwritable> {
    let start = out.len();
    out.reserve(room(message));
    let written = writer::Writer::new(plan, out).message(id, message);
    if written.is_err() {
        out.truncate(start);
    }
    written
}

/// Appends the JSON of one field of an encoded message, its default when it is not set.
///
/// # Errors
/// As [`write_json`].
pub fn write_field_json(
    plan: &Plan,
    id: MessageId,
    number: u32,
    message: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), Unwritable> {
    let start = out.len();
    out.reserve(room(message));
    let written = writer::Writer::new(plan, out).one_field(id, number, message);
    if written.is_err() {
        out.truncate(start);
    }
    written
}

/// What the JSON of most messages has room in: more than twice that of protobuf, with the names of the fields. What
/// grows is copied; what stays empty of a long one is never touched.
fn room(message: &[u8]) -> usize {
    32 + 5 * message.len() / 2
}
