//! Arbitrary messages of any type, such as ProtoJSON can carry.

use proptest::collection::{btree_map, vec};
use proptest::option::weighted;
use proptest::prelude::*;
use prost::Message;
use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage, Value,
};

use crate::shop::descriptor;

/// A failure prints its smallest case; no file of old failures is kept.
pub(crate) fn unrecorded() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

/// A message as it comes from the wire. Shown as JSON, because the descriptor of a recursive type cannot be shown.
#[derive(Clone, PartialEq)]
pub(crate) struct Sample(pub(crate) DynamicMessage);

impl Sample {
    /// The same message by way of its bytes: its maps are in another order.
    pub(crate) fn again(&self) -> Self {
        let bytes = self.0.encode_to_vec();
        Self(DynamicMessage::decode(self.0.descriptor(), bytes.as_slice()).expect("its own bytes"))
    }
}

impl std::fmt::Debug for Sample {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match serde_json::to_string(&self.0) {
            Ok(json) => f.write_str(&json),
            Err(error) => write!(f, "{error}: {:?}", self.0.encode_to_vec()),
        }
    }
}

/// A message of this type of the shop, nested at most twice.
pub(crate) fn sample(name: &str) -> impl Strategy<Value = Sample> {
    message(&descriptor(name), 2).prop_map(|message| Sample(message).again())
}

/// A message of this type; `depth` is how far messages nest.
fn message(descriptor: &MessageDescriptor, depth: u32) -> BoxedStrategy<DynamicMessage> {
    match descriptor.full_name() {
        "google.protobuf.Timestamp" => {
            seconds(descriptor, -62_135_596_800..253_402_300_800, 0..1_000_000_000)
        }
        "google.protobuf.Duration" => seconds(descriptor, 0..315_576_000_000, 0..1_000_000_000),
        "google.protobuf.FieldMask" => masks(descriptor),
        "google.protobuf.Any" => any_of_makers(descriptor),
        "google.protobuf.Value" => dynamic_value(descriptor, depth),
        _ => fields(descriptor, depth),
    }
}

fn fields(descriptor: &MessageDescriptor, depth: u32) -> BoxedStrategy<DynamicMessage> {
    let values: Vec<_> = descriptor
        .fields()
        .filter(|field| depth > 0 || !matches!(field.kind(), Kind::Message(_)))
        .map(|field| weighted(0.4, field_value(&field, depth)).prop_map(move |value| (field.clone(), value)))
        .collect();
    let descriptor = descriptor.clone();
    values
        .prop_map(move |values| {
            let mut message = DynamicMessage::new(descriptor.clone());
            for (field, value) in values {
                if let Some(value) = value {
                    message.set_field(&field, value);
                }
            }
            message
        })
        .boxed()
}

fn field_value(field: &FieldDescriptor, depth: u32) -> BoxedStrategy<Value> {
    let depth = depth.saturating_sub(1);
    match field.kind() {
        Kind::Message(entry) if field.is_map() => {
            let key = map_key(&entry.map_entry_key_field().kind());
            let value = value(&entry.map_entry_value_field().kind(), depth);
            btree_map(key, value, 0..5).prop_map(|map| Value::Map(map.into_iter().collect())).boxed()
        }
        // An infinite Value has no JSON, and the oracle writes an infinite wrapper as null.
        Kind::Double if field.parent_message().full_name().starts_with("google.protobuf.") => {
            float::<f64>().prop_map(Value::F64).boxed()
        }
        kind if field.is_list() => vec(value(&kind, depth), 0..4).prop_map(Value::List).boxed(),
        kind => value(&kind, depth),
    }
}

fn value(kind: &Kind, depth: u32) -> BoxedStrategy<Value> {
    match kind {
        Kind::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => any::<i32>().prop_map(Value::I32).boxed(),
        Kind::Uint32 | Kind::Fixed32 => any::<u32>().prop_map(Value::U32).boxed(),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => any::<i64>().prop_map(Value::I64).boxed(),
        Kind::Uint64 | Kind::Fixed64 => any::<u64>().prop_map(Value::U64).boxed(),
        Kind::Float => prop_oneof![float::<f32>(), Just(f32::INFINITY)].prop_map(Value::F32).boxed(),
        Kind::Double => prop_oneof![float::<f64>(), Just(f64::NEG_INFINITY)].prop_map(Value::F64).boxed(),
        Kind::String => text().prop_map(Value::String).boxed(),
        Kind::Bytes => vec(any::<u8>(), 0..6).prop_map(|bytes| Value::Bytes(bytes.into())).boxed(),
        Kind::Enum(kind) if kind.full_name() == "google.protobuf.NullValue" => {
            Just(Value::EnumNumber(0)).boxed()
        }
        Kind::Enum(_) => (-2..5).prop_map(Value::EnumNumber).boxed(),
        Kind::Message(descriptor) => message(descriptor, depth).prop_map(Value::Message).boxed(),
    }
}

fn map_key(kind: &Kind) -> BoxedStrategy<MapKey> {
    match kind {
        Kind::Bool => any::<bool>().prop_map(MapKey::Bool).boxed(),
        Kind::Int32 => any::<i32>().prop_map(MapKey::I32).boxed(),
        Kind::Uint64 => any::<u64>().prop_map(MapKey::U64).boxed(),
        Kind::String => text().prop_map(MapKey::String).boxed(),
        other => panic!("the shop has no map with keys of {other:?}"),
    }
}

/// Finite: NaN is not equal to itself.
fn float<T: From<f32> + std::fmt::Debug + 'static>() -> BoxedStrategy<T> {
    prop_oneof![proptest::num::f32::NORMAL, (-100..100_i16).prop_map(f32::from)].prop_map(T::from).boxed()
}

/// With quotes, line ends, control characters and what lies outside the basic plane.
fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{0,4}", "\\PC{0,4}", "[\"\\\\/\u{0}-\u{1f}\u{7f}\u{2028}😀]{0,4}"]
}

fn seconds(
    descriptor: &MessageDescriptor,
    seconds: std::ops::Range<i64>,
    nanos: std::ops::Range<i32>,
) -> BoxedStrategy<DynamicMessage> {
    let descriptor = descriptor.clone();
    (seconds, nanos)
        .prop_map(move |(seconds, nanos)| {
            let mut message = DynamicMessage::new(descriptor.clone());
            message.set_field_by_name("seconds", Value::I64(seconds));
            message.set_field_by_name("nanos", Value::I32(nanos));
            message
        })
        .boxed()
}

/// Only paths that survive the way to lowerCamelCase and back.
fn masks(descriptor: &MessageDescriptor) -> BoxedStrategy<DynamicMessage> {
    let descriptor = descriptor.clone();
    vec("[a-z]{1,4}(_[a-z]{1,3})?(\\.[a-z]{1,3})?", 0..4)
        .prop_map(move |paths| {
            let mut message = DynamicMessage::new(descriptor.clone());
            let paths = paths.into_iter().map(Value::String).collect();
            message.set_field_by_name("paths", Value::List(paths));
            message
        })
        .boxed()
}

fn any_of_makers(any: &MessageDescriptor) -> BoxedStrategy<DynamicMessage> {
    let any = any.clone();
    message(&descriptor("Maker"), 1)
        .prop_map(move |maker| {
            let mut message = DynamicMessage::new(any.clone());
            message.set_field_by_name("type_url", Value::String("type.example/shop.v1.Maker".into()));
            message.set_field_by_name("value", Value::Bytes(maker.encode_to_vec().into()));
            message
        })
        .boxed()
}

/// A Value always holds one of its kinds.
fn dynamic_value(descriptor: &MessageDescriptor, depth: u32) -> BoxedStrategy<DynamicMessage> {
    let kinds =
        descriptor.fields().filter(move |field| depth > 0 || !matches!(field.kind(), Kind::Message(_)));
    let values = kinds.map(|field| {
        let descriptor = descriptor.clone();
        field_value(&field, depth).prop_map(move |value| {
            let mut message = DynamicMessage::new(descriptor.clone());
            message.set_field(&field, value);
            message
        })
    });
    proptest::strategy::Union::new(values.map(Strategy::boxed)).boxed()
}
