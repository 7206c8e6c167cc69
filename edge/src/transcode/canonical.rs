//! The canonical bytes of a message: equal for equal messages, on every edge, however they were encoded.

use std::borrow::Cow;

use crate::schema::plan::{Field, Form, Kind, Message, MessageId, Plan, Shape};

use super::encode;
use super::wire::{Malformed, Tag, Wire, WireType};

type Result<T = ()> = std::result::Result<T, Malformed>;

const MAX_DEPTH: usize = 100;

/// Encodes a message anew: fields by number, each once, entries of maps by their keys, no defaults that could be left
/// out; what the descriptors do not have comes as it came, in its order.
pub fn canonical(plan: &Plan, id: MessageId, message: &[u8]) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(message.len());
    Canon { plan, depth: 0 }.message(plan.message(id), message, &mut out)?;
    Ok(out)
}

#[derive(Clone, Copy)]
struct Canon<'a> {
    plan: &'a Plan,
    depth: usize,
}

/// One field on the wire.
#[derive(Clone, Copy)]
struct Record<'a> {
    tag: Tag,
    /// `None`: the descriptors do not have it.
    slot: Option<usize>,
    /// Behind the tag.
    wire: Wire<'a>,
}

impl<'a> Canon<'a> {
    fn message(self, message: &Message, bytes: &[u8], out: &mut Vec<u8>) -> Result {
        if self.depth > MAX_DEPTH {
            return Err(Malformed("is nested deeper than 100 levels"));
        }
        if message.form == Form::Any {
            return self.any(bytes, out);
        }
        let mut records = records(message, bytes)?;
        clear_rivals(message, &mut records);
        records.sort_by_key(|record| record.tag.number);
        for group in records.chunk_by(|a, b| a.tag.number == b.tag.number) {
            match group[0].slot {
                Some(slot) => self.field(&message.fields[slot], group, out)?,
                None => group.iter().try_for_each(|record| copy(record, out))?,
            }
        }
        Ok(())
    }

    /// What an Any holds is a message too.
    fn any(self, bytes: &[u8], out: &mut Vec<u8>) -> Result {
        let (mut type_url, mut value) = (b"".as_slice(), b"".as_slice());
        let mut wire = Wire::new(bytes);
        while let Some(tag) = wire.tag()? {
            match (tag.number, tag.wire_type) {
                (1, WireType::Length) => type_url = wire.bytes()?,
                (2, WireType::Length) => value = wire.bytes()?,
                _ => wire.skip(tag)?,
            }
        }
        let name =
            type_url.rsplit(|byte| *byte == b'/').next().and_then(|name| std::str::from_utf8(name).ok());
        let mut inner = Vec::new();
        let known = name.and_then(|name| self.plan.find(name)).map(|id| self.plan.message(id));
        let is_read = known.is_some_and(|message| self.below().message(message, value, &mut inner).is_ok());
        encode::tag(out, 1, WireType::Length);
        encode::bytes(out, type_url);
        encode::tag(out, 2, WireType::Length);
        encode::bytes(out, if is_read { &inner } else { value });
        Ok(())
    }

    fn below(self) -> Self {
        Self { depth: self.depth + 1, ..self }
    }

    fn field(self, field: &Field, group: &[Record<'_>], out: &mut Vec<u8>) -> Result {
        match field.shape {
            Shape::One(kind) => self.single(field, kind, group, out),
            Shape::Many(kind) => {
                group.iter().try_for_each(|record| self.items(field.number, kind, record, out))
            }
            Shape::Map { key, value } => self.map(field.number, key, value, group, out),
        }
    }

    fn single(self, field: &Field, kind: Kind, group: &[Record<'_>], out: &mut Vec<u8>) -> Result {
        if let Some(id) = kind.message() {
            return self.nested(field.number, kind, self.plan.message(id), &merged(group)?, out);
        }
        let (before, last) = (out.len(), group[group.len() - 1]);
        encode::tag(out, field.number, WireType::of(kind));
        let start = out.len();
        scalar(kind, &mut { last.wire }, out)?;
        if !field.has_presence && out[start..].iter().all(|byte| *byte == 0) {
            out.truncate(before);
        }
        Ok(())
    }

    /// Items one by one, packed or not.
    fn items(self, number: u32, kind: Kind, record: &Record<'_>, out: &mut Vec<u8>) -> Result {
        let mut wire = record.wire;
        if let Some(id) = kind.message() {
            return self.nested(number, kind, self.plan.message(id), wire.message(record.tag)?, out);
        }
        let is_packed = kind.is_packable() && record.tag.wire_type == WireType::Length;
        let mut items = if is_packed { Wire::new(wire.bytes()?) } else { wire };
        loop {
            if is_packed && items.is_empty() {
                return Ok(());
            }
            encode::tag(out, number, WireType::of(kind));
            scalar(kind, &mut items, out)?;
            if !is_packed {
                return Ok(());
            }
        }
    }

    fn map(self, number: u32, key: Kind, value: Kind, group: &[Record<'_>], out: &mut Vec<u8>) -> Result {
        let mut entries = Vec::with_capacity(group.len());
        for record in group {
            entries.push(self.entry(key, value, { record.wire }.bytes()?)?);
        }
        // Stable: of equal keys the last counts.
        entries.sort_by(|(a, _), (b, _)| a.cmp(b));
        for same in entries.chunk_by(|(a, _), (b, _)| a == b) {
            let (key, value) = &same[same.len() - 1];
            encode::tag(out, number, WireType::Length);
            encode::varint(out, (key.len() + value.len()) as u64);
            out.extend_from_slice(key);
            out.extend_from_slice(value);
        }
        Ok(())
    }

    /// The key and the value of an entry, each with its tag.
    fn entry(self, key: Kind, value: Kind, bytes: &[u8]) -> Result<(Vec<u8>, Vec<u8>)> {
        let (mut key_at, mut values) = (None, Vec::new());
        let mut wire = Wire::new(bytes);
        while let Some(tag) = wire.tag()? {
            match tag.number {
                1 if tag.wire_type == WireType::of(key) => key_at = Some(wire),
                2 if tag.wire_type == WireType::of(value) => values.push(Record { tag, slot: None, wire }),
                _ => {}
            }
            wire.skip(tag)?;
        }
        // What is left out is the default: zeros of any length.
        let absent = Wire::new(&[0; 8]);
        let (mut written_key, mut written_value) = (Vec::new(), Vec::new());
        encode::tag(&mut written_key, 1, WireType::of(key));
        scalar(key, &mut key_at.unwrap_or(absent), &mut written_key)?;
        if let Some(id) = value.message() {
            self.nested(2, value, self.plan.message(id), &merged(&values)?, &mut written_value)?;
        } else {
            encode::tag(&mut written_value, 2, WireType::of(value));
            scalar(value, &mut values.last().map_or(absent, |record| record.wire), &mut written_value)?;
        }
        Ok((written_key, written_value))
    }

    fn nested(self, number: u32, kind: Kind, message: &Message, bytes: &[u8], out: &mut Vec<u8>) -> Result {
        encode::tag(out, number, WireType::of(kind));
        if matches!(kind, Kind::Group(_)) {
            self.below().message(message, bytes, out)?;
            encode::tag(out, number, WireType::EndGroup);
            return Ok(());
        }
        let start = encode::open(out);
        self.below().message(message, bytes, out)?;
        encode::close(out, start);
        Ok(())
    }
}

fn records<'a>(message: &Message, bytes: &'a [u8]) -> Result<Vec<Record<'a>>> {
    let mut records = Vec::new();
    let mut wire = Wire::new(bytes);
    while let Some(tag) = wire.tag()? {
        let slot = message.slot(tag.number).filter(|slot| fits(&message.fields[*slot], tag));
        records.push(Record { tag, slot, wire });
        wire.skip(tag)?;
    }
    Ok(records)
}

/// Whether a record can be of this field; decoders keep any other as one that they do not know.
fn fits(field: &Field, tag: Tag) -> bool {
    match field.shape {
        Shape::One(kind) => tag.wire_type == WireType::of(kind),
        Shape::Many(kind) => {
            tag.wire_type == WireType::of(kind) || tag.wire_type == WireType::Length && kind.is_packable()
        }
        Shape::Map { .. } => tag.wire_type == WireType::Length,
    }
}

/// Of a oneof only the last member is left, from where it last was set alone.
fn clear_rivals(message: &Message, records: &mut Vec<Record<'_>>) {
    let oneof = |record: &Record<'_>| Some((message.fields[record.slot?].oneof?, record.slot?));
    let mut winners: Vec<Option<usize>> = vec![None; message.oneofs];
    let mut is_over = vec![false; message.oneofs];
    let mut kept: Vec<bool> = Vec::with_capacity(records.len());
    for record in records.iter().rev() {
        kept.push(oneof(record).is_none_or(|(oneof, slot)| {
            is_over[oneof] |= *winners[oneof].get_or_insert(slot) != slot;
            !is_over[oneof]
        }));
    }
    let mut kept = kept.into_iter().rev();
    records.retain(|_| kept.next().unwrap_or(true));
}

fn copy(record: &Record<'_>, out: &mut Vec<u8>) -> Result {
    encode::tag(out, record.tag.number, record.tag.wire_type);
    out.extend_from_slice({ record.wire }.value(record.tag)?);
    Ok(())
}

/// The parts of a message one after the other: protobuf merges them.
fn merged<'a>(parts: &[Record<'a>]) -> Result<Cow<'a, [u8]>> {
    match parts {
        [] => Ok(Cow::Borrowed(b"")),
        [one] => { one.wire }.message(one.tag).map(Cow::Borrowed),
        parts => {
            let mut merged = Vec::new();
            for part in parts {
                merged.extend_from_slice({ part.wire }.message(part.tag)?);
            }
            Ok(Cow::Owned(merged))
        }
    }
}

/// Takes a value that is no message, and encodes it in the shortest way.
fn scalar(kind: Kind, wire: &mut Wire<'_>, out: &mut Vec<u8>) -> Result {
    match kind {
        Kind::Bool => out.push(u8::from(wire.varint()? != 0)),
        // Whoever wrote more bits than the type has meant the low ones.
        Kind::Int32 | Kind::Enum(_) => encode::varint(out, i64::from(wire.varint()? as i32) as u64),
        Kind::Uint32 | Kind::Sint32 => encode::varint(out, u64::from(wire.varint()? as u32)),
        Kind::Int64 | Kind::Uint64 | Kind::Sint64 => encode::varint(out, wire.varint()?),
        Kind::Fixed32 | Kind::Sfixed32 | Kind::Float => out.extend_from_slice(&wire.fixed32()?.to_le_bytes()),
        Kind::Fixed64 | Kind::Sfixed64 | Kind::Double => {
            out.extend_from_slice(&wire.fixed64()?.to_le_bytes());
        }
        Kind::String | Kind::Bytes => encode::bytes(out, wire.bytes()?),
        Kind::Message(_) | Kind::Group(_) => return Err(Malformed("is no scalar")),
    }
    Ok(())
}
