//! JSON to encoded messages (protobuf.dev, "ProtoJSON Format"), straight into the bytes.
//!
//! One pass over the text, without a tree between: each value is written as it is read. A value with a mistake is noted
//! and passed over, so that all mistakes of a document are told at once; text that is no JSON ends the reading.

pub mod options;
pub mod text;
mod mistake;
pub mod number;
pub mod time;
pub mod mask;
pub mod scalar;
mod seen;
mod reader;
mod value;
mod many;
mod message;

pub use options::ReadOptions;
pub use text::Text;

use crate::error::Result;
use crate::schema::plan::{Field, MessageId, Plan};

use mistake::{Stop, no_json, no_text};
use reader::Reader;

/// Appends the encoded message that a JSON document stands for.
///
/// # Errors
/// INVALID_ARGUMENT naming the fields: unknown, given twice, of the wrong type or out of range; `JSON_INVALID` when the
/// text is no JSON at all. Nothing is appended then.
pub fn read_json(
    plan: &Plan,
    id: MessageId,
    options: ReadOptions,
    json: &[u8],
    out: &mut Vec<u8>,
) -> Result<()> {
    read(plan, options, json, "", out, |reader| reader.root(id))
}

/// Appends one field of a message, read from a JSON document that holds its value alone; null leaves it out.
///
/// # Errors
/// As [`read_json`]; paths begin with the field.
pub fn read_field_json<'a>(
    plan: &'a Plan,
    field: &'a Field,
    options: ReadOptions,
    json: &'a [u8],
    out: &'a mut Vec<u8>,
) -> Result<()> {
    read(plan, options, json, &field.json_name, out, |reader| {
        reader.document(|reader| reader.nullable(field))
    })
}

fn read<'a>(
    plan: &'a Plan,
    options: ReadOptions,
    json: &'a [u8],
    root: &str,
    out: &'a mut Vec<u8>,
    read: impl FnOnce(&mut Reader<'a>) -> std::result::Result<(), Stop>,
) -> Result<()> {
    let source = std::str::from_utf8(json).map_err(|error| no_text(json, error.valid_up_to()))?;
    let start = out.len();
    out.reserve(json.len());
    let mut reader = Reader::new(plan, options, Text::new(source), out);
    let result = match read(&mut reader) {
        // A mistake is noted where it is made; only what is no JSON comes up to here.
        Err(Stop::Syntax(syntax)) => Err(no_json(source, syntax)),
        _ if reader.mistakes.is_empty() => Ok(()),
        _ => Err(std::mem::take(&mut reader.mistakes).told(source, root)),
    };
    if result.is_err() {
        reader.out.truncate(start);
    }
    result
}
