//! Changes single fields of encoded messages, and keeps all others byte for byte.

use prost::DecodeError;
use prost::encoding::{
    DecodeContext, WireType, decode_key, decode_varint, encode_key, encode_varint, skip_field,
};

/// Why a file cannot be rewritten.
#[derive(Debug)]
pub(super) struct Problem(pub(super) String);

impl From<DecodeError> for Problem {
    fn from(error: DecodeError) -> Self {
        Self(format!("not a FileDescriptorProto: {error}"))
    }
}

/// Copies a message; what is encoded under a number for which `change` gives something else is replaced by that.
///
/// More is added by appending: protobuf merges what is encoded one after the other, and the last value counts.
pub(super) fn splice(
    message: &[u8],
    mut change: impl FnMut(u32, &[u8]) -> Result<Option<Vec<u8>>, Problem>,
) -> Result<Vec<u8>, Problem> {
    let mut out = Vec::with_capacity(message.len() + message.len() / 8);
    let mut rest = message;
    while !rest.is_empty() {
        let start = rest;
        let (number, wire_type) = decode_key(&mut rest)?;
        if wire_type == WireType::LengthDelimited {
            let value = delimited(&mut rest)?;
            if let Some(changed) = change(number, value)? {
                append(number, &changed, &mut out);
                continue;
            }
        } else {
            skip_field(wire_type, number, &mut rest, DecodeContext::default())?;
        }
        out.extend_from_slice(&start[..start.len() - rest.len()]);
    }
    Ok(out)
}

fn delimited<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], Problem> {
    let length = usize::try_from(decode_varint(rest)?).unwrap_or(usize::MAX);
    let (value, after) = rest.split_at_checked(length).ok_or_else(|| Problem("ends too early".into()))?;
    *rest = after;
    Ok(value)
}

/// Appends an encoded message, or text, under this number.
pub(super) fn append(number: u32, value: &[u8], out: &mut Vec<u8>) {
    encode_key(number, WireType::LengthDelimited, out);
    encode_varint(value.len() as u64, out);
    out.extend_from_slice(value);
}

/// Appends a number, a bool or an enum.
pub(super) fn append_number(number: u32, value: u64, out: &mut Vec<u8>) {
    encode_key(number, WireType::Varint, out);
    encode_varint(value, out);
}
