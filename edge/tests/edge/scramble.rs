//! Encodes a message as no encoder would, but as every decoder must understand it.

use prost::Message;
use prost::bytes::BufMut;
use prost::encoding::{WireType, encode_key, encode_varint};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, ReflectMessage, Value};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

/// Encodes fields by number, as every encoder does; maps sorted by key.
pub(crate) fn ordered(message: &DynamicMessage) -> Vec<u8> {
    let mut records = Encoder(None).records(message);
    records.sort_by_key(|record| record.number);
    concat(records)
}

/// Encodes the same message with fields in any order, in parts, unpacked, beside values that they supersede, among
/// unknown ones. Only the order within repeated fields and maps, which has a meaning, is as in `ordered`.
pub(crate) fn scrambled(message: &DynamicMessage, seed: u64) -> Vec<u8> {
    let mut encoder = Encoder(Some(StdRng::seed_from_u64(seed)));
    let records = encoder.records(message);
    encoder.shuffled(&message.descriptor(), records)
}

/// One field on the wire.
struct Record {
    number: u32,
    bytes: Vec<u8>,
}

struct Encoder(Option<StdRng>);

impl Encoder {
    fn chance(&mut self, percent: u32) -> bool {
        self.0.as_mut().is_some_and(|rng| rng.random_ratio(percent, 100))
    }

    fn records(&mut self, message: &DynamicMessage) -> Vec<Record> {
        let mut records = Vec::new();
        for (field, value) in message.fields() {
            match value {
                Value::List(items) => {
                    for item in items {
                        let payload = self.payload(&field, item, false);
                        records.extend(payload);
                    }
                }
                Value::Map(map) => {
                    let Kind::Message(entry) = field.kind() else { panic!("a map has entries") };
                    let mut entries: Vec<_> = map.iter().collect();
                    entries.sort_by_key(|(key, _)| format!("{key:?}"));
                    for (key, value) in entries {
                        let mut message = DynamicMessage::new(entry.clone());
                        message.set_field(&entry.map_entry_key_field(), key.clone().into());
                        message.set_field(&entry.map_entry_value_field(), value.clone());
                        let payload = self.message(&message);
                        records.push(record(field.number(), WireType::LengthDelimited, &payload));
                    }
                }
                value => records.extend(self.payload(&field, value, true)),
            }
        }
        records
    }

    /// The records of one value; a single one may come after others that it supersedes.
    fn payload(&mut self, field: &FieldDescriptor, value: &Value, is_single: bool) -> Vec<Record> {
        let number = field.number();
        let mut records = Vec::new();
        if is_single && self.chance(20) {
            records.extend(self.superseded(field));
        }
        match value {
            Value::Message(inner) => {
                let parts = self.records(inner);
                let parts = self.shuffled_records(&inner.descriptor(), parts);
                let middle = if is_single && self.chance(30) { parts.len() / 2 } else { 0 };
                let mut parts = parts.into_iter();
                let first = concat(parts.by_ref().take(middle).collect());
                if middle > 0 {
                    records.push(record(number, WireType::LengthDelimited, &first));
                }
                records.push(record(number, WireType::LengthDelimited, &concat(parts.collect())));
            }
            scalar => records.push(self.scalar(field, scalar)),
        }
        records
    }

    /// A value before this one, of the field or of a rival in its oneof. A message would be merged with one of its own.
    fn superseded(&mut self, field: &FieldDescriptor) -> Option<Record> {
        let members = field.containing_oneof().map(|oneof| oneof.fields().collect());
        let members: Vec<_> = members.unwrap_or_else(|| vec![field.clone()]);
        let other = members.choose(self.0.as_mut()?)?;
        let is_merged = other == field && matches!(field.kind(), Kind::Message(_));
        (!is_merged).then(|| stale(other))
    }

    fn scalar(&mut self, field: &FieldDescriptor, value: &Value) -> Record {
        let number = field.number();
        let mut alone = DynamicMessage::new(field.parent_message().clone());
        let value = if field.is_list() { Value::List(vec![value.clone()]) } else { value.clone() };
        alone.set_field(field, value);
        let bytes = alone.encode_to_vec();
        if !(field.is_packed() && self.chance(50)) {
            return Record { number, bytes };
        }
        // Behind the tag and a length below 128 is the value.
        let tag = Record { number, bytes: Vec::new() }.tag_length(WireType::LengthDelimited);
        let mut unpacked = Vec::new();
        encode_key(number, wire_type(&field.kind()), &mut unpacked);
        unpacked.extend(&bytes[tag + 1..]);
        Record { number, bytes: unpacked }
    }

    fn message(&mut self, message: &DynamicMessage) -> Vec<u8> {
        let records = self.records(message);
        self.shuffled(&message.descriptor(), records)
    }

    fn shuffled(&mut self, descriptor: &MessageDescriptor, records: Vec<Record>) -> Vec<u8> {
        concat(self.shuffled_records(descriptor, records))
    }

    /// Keeps the order of records of the same field, and of the members of a oneof.
    fn shuffled_records(&mut self, descriptor: &MessageDescriptor, mut records: Vec<Record>) -> Vec<Record> {
        let Some(rng) = &mut self.0 else {
            records.sort_by_key(|record| record.number);
            return records;
        };
        let group = |record: &Record| {
            let oneof = descriptor.get_field(record.number).and_then(|field| field.containing_oneof());
            oneof.map_or(record.number, |oneof| oneof.fields().map(|field| field.number()).min().unwrap_or(0))
        };
        let mut groups: Vec<Vec<Record>> = Vec::new();
        for record in records {
            match groups.iter_mut().find(|others| group(&others[0]) == group(&record)) {
                Some(others) => others.push(record),
                None => groups.push(vec![record]),
            }
        }
        groups.iter_mut().for_each(|records| records.reverse());
        let mut shuffled = Vec::new();
        while !groups.is_empty() {
            if rng.random_ratio(1, 10) {
                shuffled.push(unknown(rng));
            }
            let index = rng.random_range(0..groups.len());
            shuffled.extend(groups[index].pop());
            groups.retain(|records| !records.is_empty());
        }
        shuffled
    }
}

impl Record {
    fn tag_length(&self, wire_type: WireType) -> usize {
        let mut tag = Vec::new();
        encode_key(self.number, wire_type, &mut tag);
        tag.len()
    }
}

fn concat(records: Vec<Record>) -> Vec<u8> {
    records.into_iter().flat_map(|record| record.bytes).collect()
}

fn record(number: u32, wire_type: WireType, payload: &[u8]) -> Record {
    let mut bytes = Vec::new();
    encode_key(number, wire_type, &mut bytes);
    if wire_type == WireType::LengthDelimited {
        encode_varint(payload.len() as u64, &mut bytes);
    }
    bytes.extend(payload);
    Record { number, bytes }
}

/// A value of the field's type that another one follows.
fn stale(field: &FieldDescriptor) -> Record {
    let wire_type = wire_type(&field.kind());
    let payload: &[u8] = match wire_type {
        WireType::Varint => b"\x01",
        WireType::SixtyFourBit => b"\0\0\0\0\0\0\0\0",
        WireType::ThirtyTwoBit => b"\0\0\0\0",
        _ if matches!(field.kind(), Kind::Message(_)) => b"",
        _ => b"stale",
    };
    record(field.number(), wire_type, payload)
}

/// A field that no message of the shop has.
fn unknown(rng: &mut StdRng) -> Record {
    let number = rng.random_range(1000..100_000);
    let mut bytes = Vec::new();
    match rng.random_range(0..5) {
        0 => return record(number, WireType::Varint, b"\xff\xff\x01"),
        1 => return record(number, WireType::SixtyFourBit, b"\xff\xff\xff\xff\xff\xff\xff\xff"),
        2 => return record(number, WireType::ThirtyTwoBit, b"\xff\xff\xff\xff"),
        3 => return record(number, WireType::LengthDelimited, b"\xff\xff\xff"),
        _ => {
            encode_key(number, WireType::StartGroup, &mut bytes);
            bytes.put_slice(b"\x0b\x10\x01\x0c");
            encode_key(number, WireType::EndGroup, &mut bytes);
        }
    }
    Record { number, bytes }
}

fn wire_type(kind: &Kind) -> WireType {
    match kind {
        Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => WireType::SixtyFourBit,
        Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => WireType::ThirtyTwoBit,
        Kind::String | Kind::Bytes | Kind::Message(_) => WireType::LengthDelimited,
        _ => WireType::Varint,
    }
}
