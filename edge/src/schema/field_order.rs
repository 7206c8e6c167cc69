//! One order for what is in a file, whatever order a backend encodes it in.
//!
//! Go encodes custom options, and what is in a oneof, in another order each time. A file that has not changed must be the
//! same bytes: it is compared with what was heard before, and with the same file of other backends.

use std::cmp::Ordering;

use bytes::{Buf, Bytes};
use prost::encoding::{
    DecodeContext, WireType, decode_key, decode_varint, encode_key, encode_varint, skip_field,
};
use prost_reflect::{DescriptorPool, Kind, MessageDescriptor};

use super::descriptors::{complete, own_pool, pool};

/// Messages are nested so deeply at most (as protobuf readers have it); below that nothing is put in order.
const DEPTH: usize = 100;

/// One field of an encoded message.
struct Record {
    number: u32,
    /// One of those that have no order.
    is_map_entry: bool,
    bytes: Bytes,
}

/// The same files with all fields by number, those of custom options too. One that cannot be read stays as it is: others
/// say what is wrong with it. Panics as [`pool`] may.
pub fn in_field_order(files: Vec<Bytes>) -> Vec<Bytes> {
    let declared = complete(files.clone()).and_then(|files| pool(&files));
    let known = declared.as_ref().unwrap_or_else(|_| own_pool());
    let by_number = &mut |records: &mut Vec<Record>| records.sort_by(order);
    files.into_iter().map(|file| arranged_file(&file, known, by_number).unwrap_or(file)).collect()
}

/// What has the same number stays in its order, where it is a list or the last one counts.
fn order(one: &Record, other: &Record) -> Ordering {
    let by_key = || if one.is_map_entry { one.bytes.cmp(&other.bytes) } else { Ordering::Equal };
    one.number.cmp(&other.number).then_with(by_key)
}

fn arranged_file(
    file: &Bytes,
    known: &DescriptorPool,
    arrange: &mut impl FnMut(&mut Vec<Record>),
) -> Option<Bytes> {
    let known = known.get_message_by_name("google.protobuf.FileDescriptorProto")?;
    arranged(file.clone(), &known, DEPTH, arrange)
}

/// `None` for what cannot be read.
fn arranged(
    message: Bytes,
    known: &MessageDescriptor,
    depth: usize,
    arrange: &mut impl FnMut(&mut Vec<Record>),
) -> Option<Bytes> {
    if depth == 0 {
        return Some(message);
    }
    let (mut rest, mut records) = (message.clone(), Vec::new());
    while rest.has_remaining() {
        let start = message.len() - rest.len();
        let (number, wire_type) = decode_key(&mut rest).ok()?;
        let part = part(known, number).filter(|_| wire_type == WireType::LengthDelimited);
        let Some(part) = part else {
            skip_field(wire_type, number, &mut rest, DecodeContext::default()).ok()?;
            let bytes = message.slice(start..message.len() - rest.len());
            records.push(Record { number, is_map_entry: false, bytes });
            continue;
        };
        let length = usize::try_from(decode_varint(&mut rest).ok()?).ok()?;
        if length > rest.len() {
            return None;
        }
        let value = arranged(rest.split_to(length), &part, depth - 1, arrange)?;
        let mut record = Vec::with_capacity(value.len() + 8);
        encode_key(number, wire_type, &mut record);
        encode_varint(value.len() as u64, &mut record);
        record.extend_from_slice(&value);
        records.push(Record { number, is_map_entry: part.is_map_entry(), bytes: record.into() });
    }
    arrange(&mut records);
    Some(records.iter().flat_map(|record| record.bytes.iter().copied()).collect())
}

/// The message that is encoded under this number.
fn part(known: &MessageDescriptor, number: u32) -> Option<MessageDescriptor> {
    let kind = known.get_field(number).map(|field| field.kind());
    let kind = kind.or_else(|| known.get_extension(number).map(|extension| extension.kind()));
    match kind? {
        Kind::Message(part) => Some(part),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;
    use prost::Message;
    use prost_reflect::MethodDescriptor;
    use prost_types::field_descriptor_proto::{Label, Type};
    use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorProto};

    use super::super::descriptors::{join_set, split_set};
    use super::*;

    /// As another backend may encode it: fields in any order, but for those of one number, and entries of maps in any.
    fn shuffled(file: &Bytes, mut random: impl FnMut() -> u64) -> Bytes {
        let mut places = HashMap::new();
        let shuffle = &mut |records: &mut Vec<Record>| {
            records.sort_by_cached_key(|record| match record.is_map_entry {
                true => random(),
                false => *places.entry(record.number).or_insert_with(&mut random),
            });
        };
        arranged_file(file, own_pool(), shuffle).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn the_order_of_fields_makes_no_difference(seed in any::<u64>()) {
            let files = split_set(lastmile_proto::DESCRIPTORS).unwrap();
            let mut state = seed;
            let mut next = move || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                state >> 16
            };
            let others: Vec<Bytes> = files.iter().map(|file| shuffled(file, &mut next)).collect();
            prop_assert!(in_field_order(files) == in_field_order(others));
        }

        #[test]
        fn bytes_that_are_no_file_stay_or_make_one(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let file = Bytes::from(bytes);
            let ordered = in_field_order(vec![file.clone()]).remove(0);
            prop_assert_eq!(FileDescriptorProto::decode(file).ok(), FileDescriptorProto::decode(ordered).ok());
        }
    }

    fn append(number: u32, value: &[u8], out: &mut Vec<u8>) {
        encode_key(number, WireType::LengthDelimited, out);
        encode_varint(value.len() as u64, out);
        out.extend_from_slice(value);
    }

    /// A file that declares an option of messages, and one that sets it to these bytes.
    fn with_option(value: &[u8]) -> Vec<Bytes> {
        let field = |name: &str, number, kind: Type| FieldDescriptorProto {
            name: Some(name.into()),
            number: Some(number),
            r#type: Some(kind.into()),
            label: Some(Label::Optional.into()),
            ..Default::default()
        };
        let note = DescriptorProto {
            name: Some("Note".into()),
            field: vec![field("a", 1, Type::Int32), field("b", 2, Type::Int32)],
            ..Default::default()
        };
        let option = FieldDescriptorProto {
            type_name: Some(".t.Note".into()),
            extendee: Some(".google.protobuf.MessageOptions".into()),
            ..field("note", 50_001, Type::Message)
        };
        let declares = FileDescriptorProto {
            name: Some("note.proto".into()),
            package: Some("t".into()),
            dependency: vec!["google/protobuf/descriptor.proto".into()],
            message_type: vec![note],
            extension: vec![option],
            ..Default::default()
        };
        let (mut options, mut message, mut file) = (Vec::new(), Vec::new(), Vec::new());
        append(50_001, value, &mut options);
        append(1, b"Noted", &mut message);
        append(7, &options, &mut message);
        append(1, b"noted.proto", &mut file);
        append(3, b"note.proto", &mut file);
        append(4, &message, &mut file);
        vec![declares.encode_to_vec().into(), file.into()]
    }

    #[test]
    fn options_that_only_the_backend_knows_are_put_in_order_too() {
        let (one, other) = (with_option(&[8, 1, 16, 2]), with_option(&[16, 2, 8, 1]));
        assert!(one != other);
        assert!(in_field_order(one) == in_field_order(other));
    }

    fn json(method: &MethodDescriptor) -> serde_json::Value {
        serde_json::to_value(method.options()).unwrap()
    }

    #[test]
    fn nothing_else_changes() {
        let files = split_set(lastmile_proto::DESCRIPTORS).unwrap();
        let ordered = in_field_order(files.clone());
        let pool = |files: Vec<Bytes>| DescriptorPool::decode(join_set(files)).unwrap();
        let (before, after) = (pool(files), pool(ordered));
        let options = |pool: &DescriptorPool| -> Vec<(String, serde_json::Value)> {
            let methods = pool.services().flat_map(|service| service.methods().collect::<Vec<_>>());
            let options = |method: MethodDescriptor| (method.full_name().to_owned(), json(&method));
            methods.map(options).collect()
        };
        assert!(options(&before) == options(&after));
        let files = |pool: &DescriptorPool| pool.file_descriptor_protos().cloned().collect::<Vec<_>>();
        assert!(files(&before) == files(&after));
    }
}
