//! Protobuf to protobuf by the plan: what it knows is read as the writer of JSON reads it, what it does not know is kept.

use lastmile_edge::schema::Plan;
use lastmile_edge::schema::plan::{Kind, MessageId, Shape};
use lastmile_edge::transcode::wire::{Malformed, Tag, Wire, WireType};
use prost::encoding::{WireType as Encoded, encode_key, encode_varint};

type Result<T = ()> = std::result::Result<T, Malformed>;

const MAX_DEPTH: usize = 100;

/// Checks a message and encodes it as every encoder would.
pub(crate) fn reencode(plan: &Plan, id: MessageId, bytes: &[u8]) -> Result<Vec<u8>> {
    Encoder { plan, depth: 0 }.message(id, bytes)
}

/// A field of a message, or the key or value of an entry.
#[derive(Clone, Copy)]
struct Known {
    number: u32,
    shape: Shape,
    oneof: Option<usize>,
    has_presence: bool,
    is_packed: bool,
}

struct Encoder<'a> {
    plan: &'a Plan,
    depth: usize,
}

impl Encoder<'_> {
    fn message(&mut self, id: MessageId, bytes: &[u8]) -> Result<Vec<u8>> {
        let fields = self.plan.message(id).fields.iter().map(|field| Known {
            number: field.number,
            shape: field.shape,
            oneof: field.oneof,
            has_presence: field.has_presence,
            is_packed: field.is_packed,
        });
        self.fields(&fields.collect::<Vec<_>>(), bytes)
    }

    fn entry(&mut self, key: Kind, value: Kind, bytes: &[u8]) -> Result<Vec<u8>> {
        let known = |number, kind| Known {
            number,
            shape: Shape::One(kind),
            oneof: None,
            has_presence: true,
            is_packed: false,
        };
        self.fields(&[known(1, key), known(2, value)], bytes)
    }

    fn fields(&mut self, fields: &[Known], bytes: &[u8]) -> Result<Vec<u8>> {
        if self.depth > MAX_DEPTH {
            return Err(Malformed("is nested deeper than 100 levels"));
        }
        let mut values = vec![Vec::new(); fields.len()];
        let mut unknown = Vec::new();
        let mut wire = Wire::new(bytes);
        loop {
            let start = bytes.len() - wire.len();
            let Some(tag) = wire.tag()? else { break };
            let Some(slot) = fields.iter().position(|field| field.number == tag.number) else {
                wire.skip(tag)?;
                unknown.extend_from_slice(&bytes[start..bytes.len() - wire.len()]);
                continue;
            };
            let rivals = |other: &Known| other.oneof.is_some() && other.oneof == fields[slot].oneof;
            for other in (0..fields.len()).filter(|other| *other != slot && rivals(&fields[*other])) {
                values[other].clear();
            }
            read(fields[slot].shape, tag, &mut wire, &mut values[slot])?;
        }
        self.depth += 1;
        let mut out = Vec::with_capacity(bytes.len());
        for (field, values) in fields.iter().zip(values) {
            self.field(*field, &values, &mut out)?;
        }
        self.depth -= 1;
        out.extend(unknown);
        Ok(out)
    }

    fn field(&mut self, field: Known, values: &[Vec<u8>], out: &mut Vec<u8>) -> Result {
        match (field.shape, values) {
            (_, []) => {}
            (Shape::One(kind), [.., last]) => {
                let value = match kind.message() {
                    Some(id) => &self.message(id, &values.concat())?,
                    None => last,
                };
                // All defaults are encoded as zeros, of whatever width.
                if field.has_presence || value.iter().any(|byte| *byte != 0) {
                    record(field.number, kind, value, out);
                }
            }
            (Shape::Many(_), values) if field.is_packed => {
                let packed = values.concat();
                let mut length = Vec::new();
                encode_varint(packed.len() as u64, &mut length);
                record(field.number, Kind::Bytes, &[length, packed].concat(), out);
            }
            (Shape::Many(kind), values) => {
                for value in values {
                    let value = match kind.message() {
                        Some(id) => &self.message(id, value)?,
                        None => value,
                    };
                    record(field.number, kind, value, out);
                }
            }
            (Shape::Map { key, value }, values) => {
                for entry in values {
                    let entry = self.entry(key, value, entry)?;
                    // An entry is encoded as any message is; which one makes no difference.
                    delimited(field.number, &entry, out);
                }
            }
        }
        Ok(())
    }
}

/// Adds the values behind a tag: scalars as they are encoded, messages without their length.
fn read(shape: Shape, tag: Tag, wire: &mut Wire<'_>, values: &mut Vec<Vec<u8>>) -> Result {
    match shape {
        Shape::Many(kind) if kind.is_packable() && tag.wire_type == WireType::Length => {
            let mut packed = Wire::new(wire.bytes()?);
            while !packed.is_empty() {
                values.push(scalar(kind, &mut packed)?);
            }
        }
        Shape::Map { .. } => values.push(wire.message(tag)?.to_vec()),
        Shape::One(kind) | Shape::Many(kind) => {
            if tag.wire_type != wire_type(kind) {
                return Err(Malformed("is encoded as another type"));
            }
            values.push(match kind.message() {
                Some(_) => wire.message(tag)?.to_vec(),
                None => scalar(kind, wire)?,
            });
        }
    }
    Ok(())
}

/// One scalar, encoded as short as can be.
fn scalar(kind: Kind, wire: &mut Wire<'_>) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    match wire_type(kind) {
        WireType::Fixed32 => out.extend(wire.fixed32()?.to_le_bytes()),
        WireType::Fixed64 => out.extend(wire.fixed64()?.to_le_bytes()),
        WireType::Varint => {
            let value = wire.varint()?;
            let value = match kind {
                Kind::Bool => u64::from(value != 0),
                Kind::Int32 | Kind::Enum(_) => i64::from(value as i32) as u64,
                Kind::Uint32 | Kind::Sint32 => u64::from(value as u32),
                _ => value,
            };
            encode_varint(value, &mut out);
        }
        _ => {
            let bytes = wire.bytes()?;
            if kind == Kind::String && std::str::from_utf8(bytes).is_err() {
                return Err(Malformed("is not valid UTF-8"));
            }
            encode_varint(bytes.len() as u64, &mut out);
            out.extend_from_slice(bytes);
        }
    }
    Ok(out)
}

/// Writes a tag and a value.
fn record(number: u32, kind: Kind, value: &[u8], out: &mut Vec<u8>) {
    match kind {
        Kind::Message(_) => delimited(number, value, out),
        Kind::Group(_) => {
            encode_key(number, Encoded::StartGroup, out);
            out.extend_from_slice(value);
            encode_key(number, Encoded::EndGroup, out);
        }
        scalar => {
            let encoded = match wire_type(scalar) {
                WireType::Fixed32 => Encoded::ThirtyTwoBit,
                WireType::Fixed64 => Encoded::SixtyFourBit,
                WireType::Varint => Encoded::Varint,
                _ => Encoded::LengthDelimited,
            };
            encode_key(number, encoded, out);
            out.extend_from_slice(value);
        }
    }
}

fn delimited(number: u32, message: &[u8], out: &mut Vec<u8>) {
    encode_key(number, Encoded::LengthDelimited, out);
    encode_varint(message.len() as u64, out);
    out.extend_from_slice(message);
}

fn wire_type(kind: Kind) -> WireType {
    match kind {
        Kind::Fixed32 | Kind::Sfixed32 | Kind::Float => WireType::Fixed32,
        Kind::Fixed64 | Kind::Sfixed64 | Kind::Double => WireType::Fixed64,
        Kind::String | Kind::Bytes | Kind::Message(_) => WireType::Length,
        Kind::Group(_) => WireType::Group,
        _ => WireType::Varint,
    }
}
