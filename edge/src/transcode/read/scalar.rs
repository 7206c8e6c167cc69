//! One value from its text, as ProtoJSON writes it: of a JSON literal, a map key, a path or a query.

use std::borrow::Cow;

use base64::Engine;

use crate::base64_forms::{STANDARD, URL_SAFE};
use crate::schema::plan::{Enum, Kind};
use crate::transcode::encode;

use super::number::integer;
use super::text::is_number;

/// What a value of this kind must be.
pub fn expected(kind: Kind) -> &'static str {
    match kind {
        Kind::Bool => "`true` or `false`",
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => "a 32-bit integer",
        Kind::Uint32 | Kind::Fixed32 => "an unsigned 32-bit integer",
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => "a 64-bit integer",
        Kind::Uint64 | Kind::Fixed64 => "an unsigned 64-bit integer",
        Kind::Float => "a number that fits into 32 bits",
        Kind::Double => "a number",
        Kind::String => "a string",
        Kind::Bytes => "base64 in a string",
        Kind::Enum(_) => "the name or number of an enum value",
        Kind::Message(_) | Kind::Group(_) => "an object",
    }
}

/// Appends the number that a JSON number, or a string that holds one, stands for; `None` when it is not of this kind.
#[inline]
pub fn number(kind: Kind, text: &str, out: &mut Vec<u8>) -> Option<()> {
    match kind {
        Kind::Float => out.extend_from_slice(&single(text)?.to_le_bytes()),
        Kind::Double => out.extend_from_slice(&double(text)?.to_le_bytes()),
        _ => whole(kind, integer(text)?, out)?,
    }
    Some(())
}

#[inline]
fn whole(kind: Kind, value: i128, out: &mut Vec<u8>) -> Option<()> {
    match kind {
        // Negative ones take ten bytes: protobuf extends their sign to 64 bits.
        Kind::Int32 => encode::varint(out, i64::from(i32::try_from(value).ok()?) as u64),
        Kind::Sint32 => encode::varint(out, zigzag(i32::try_from(value).ok()?.into())),
        Kind::Sfixed32 => out.extend_from_slice(&i32::try_from(value).ok()?.to_le_bytes()),
        Kind::Uint32 => encode::varint(out, u32::try_from(value).ok()?.into()),
        Kind::Fixed32 => out.extend_from_slice(&u32::try_from(value).ok()?.to_le_bytes()),
        Kind::Int64 => encode::varint(out, i64::try_from(value).ok()? as u64),
        Kind::Sint64 => encode::varint(out, zigzag(i64::try_from(value).ok()?)),
        Kind::Sfixed64 => out.extend_from_slice(&i64::try_from(value).ok()?.to_le_bytes()),
        Kind::Uint64 => encode::varint(out, u64::try_from(value).ok()?),
        Kind::Fixed64 => out.extend_from_slice(&u64::try_from(value).ok()?.to_le_bytes()),
        _ => return None,
    }
    Some(())
}

fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63) as u64
}

/// Rounded once, from the text: by way of a double it would be twice.
fn single(text: &str) -> Option<f32> {
    match special(text) {
        Some(special) => Some(special as f32),
        None => text.parse().ok().filter(|value: &f32| value.is_finite()),
    }
}

fn double(text: &str) -> Option<f64> {
    special(text).or_else(|| text.parse().ok().filter(|value: &f64| value.is_finite()))
}

/// The names of what JSON has no number for.
fn special(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

/// Whether a string may stand for a number of this kind.
pub fn is_quoted_number(kind: Kind, text: &str) -> bool {
    is_number(text) || matches!(kind, Kind::Float | Kind::Double) && special(text).is_some()
}

/// Appends the bytes that base64 in either alphabet stands for.
pub fn base64(text: &str, out: &mut Vec<u8>) -> Option<()> {
    let is_url_safe = text.bytes().any(|byte| matches!(byte, b'-' | b'_'));
    let engine = if is_url_safe { &URL_SAFE } else { &STANDARD };
    let start = encode::open(out);
    out.resize(start + base64::decoded_len_estimate(text.len()), 0);
    let length = engine.decode_slice(text, &mut out[start..]).ok()?;
    out.truncate(start + length);
    encode::close(out, start);
    Some(())
}

/// Appends the number of an enum's value.
pub fn enumeration(number: i32, out: &mut Vec<u8>) {
    encode::varint(out, i64::from(number) as u64);
}

pub fn unknown_name(kind: &Enum) -> Cow<'static, str> {
    format!("must be one of {}", kind.listed()).into()
}

/// Appends the value that text in a path, a query or a key of a map stands for; never one of a message.
///
/// # Errors
/// What the value must be.
pub fn plain(
    kind: Kind,
    enumerated: Option<&Enum>,
    text: &str,
    out: &mut Vec<u8>,
) -> Result<(), Cow<'static, str>> {
    let read = match (kind, enumerated) {
        (Kind::String, _) => {
            encode::bytes(out, text.as_bytes());
            Some(())
        }
        (Kind::Bool, _) => text.parse().ok().map(|value: bool| out.push(u8::from(value))),
        (Kind::Bytes, _) => base64(text, out),
        (Kind::Enum(_), Some(kind)) => {
            let number = kind.number(text).or_else(|| text.parse().ok());
            enumeration(number.ok_or_else(|| unknown_name(kind))?, out);
            Some(())
        }
        _ if is_quoted_number(kind, text) => number(kind, text, out),
        _ => None,
    };
    read.ok_or_else(|| format!("must be {}", expected(kind)).into())
}
