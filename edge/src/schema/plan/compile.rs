//! Compiles the descriptors of a pool into a plan.

use std::collections::HashMap;

use prost_reflect::{
    Cardinality, DescriptorPool, EnumDescriptor, ExtensionDescriptor, FieldDescriptor, Kind as Described,
    MessageDescriptor,
};

use crate::config::rest::{self, Defaults};
use crate::schema::check::Mistake;

use super::names::Names;
use super::shape::{Enum, EnumId, Field, Form, Kind, Message, MessageId, Plan, Shape};
use super::slots::Slots;
use super::style::Style;

/// Compiles a pool; types that have no JSON form at all are added to the mistakes.
pub fn compile(pool: &DescriptorPool, style: Style, mistakes: &mut Vec<Mistake>) -> Plan {
    let messages: Vec<_> = pool.all_messages().collect();
    let enums: Vec<_> = pool.all_enums().collect();
    let ids = Ids {
        messages: messages.iter().enumerate().map(|(i, m)| (m.full_name(), MessageId(i))).collect(),
        enums: enums.iter().enumerate().map(|(i, e)| (e.full_name(), EnumId(i))).collect(),
    };
    let mut plan = Plan {
        style,
        messages: Vec::new(),
        by_name: ids.messages.iter().map(|(name, id)| ((*name).to_owned(), *id)).collect(),
        enums: enums.iter().map(enumeration).collect(),
    };
    plan.messages = messages.iter().map(|message| ids.message(message, &plan)).collect();
    for message in &messages {
        if let Some(problem) = problem(message) {
            let (file, place) = (message.parent_file().name().to_owned(), message.full_name().to_owned());
            mistakes.push(Mistake { file, place, problem: problem.to_owned() });
        }
    }
    plan
}

/// Why the messages of a type cannot be written.
fn problem(message: &MessageDescriptor) -> Option<&'static str> {
    if form(message.full_name()) == Form::Bare && message.get_field(1).is_none() {
        return Some("is not the well-known type of this name: it has no field 1");
    }
    if message.is_map_entry() {
        let (Some(key), Some(_)) = (message.get_field(1), message.get_field(2)) else {
            return Some("is the entry of a map, but lacks its key, field 1, or its value, field 2");
        };
        return (!is_key(&key.kind()))
            .then_some("is the entry of a map, but its key is no string, bool or integer");
    }
    None
}

/// Whether maps may have keys of it (protobuf.dev, "Maps").
fn is_key(kind: &Described) -> bool {
    !matches!(
        kind,
        Described::Float | Described::Double | Described::Bytes | Described::Enum(_) | Described::Message(_)
    )
}

fn form(name: &str) -> Form {
    match name.strip_prefix("google.protobuf.") {
        Some("Any") => Form::Any,
        Some("Empty") => Form::Empty,
        Some("Value") => Form::Value,
        Some("Timestamp") => Form::Timestamp,
        Some("Duration") => Form::Duration,
        Some("FieldMask") => Form::FieldMask,
        Some(
            "Struct" | "ListValue" | "DoubleValue" | "FloatValue" | "Int64Value" | "UInt64Value"
            | "Int32Value" | "UInt32Value" | "BoolValue" | "StringValue" | "BytesValue",
        ) => Form::Bare,
        _ => Form::Object,
    }
}

fn enumeration(descriptor: &EnumDescriptor) -> Enum {
    let mut names: Vec<_> = descriptor.values().map(|value| (value.number(), quoted(value.name()))).collect();
    // Stable: of several names for a number the first counts.
    names.sort_by_key(|(number, _)| *number);
    names.dedup_by_key(|(number, _)| *number);
    let values: Vec<_> = descriptor.values().collect();
    Enum {
        names,
        numbers: Names::new(values.iter().map(|value| (value.name(), value.number()))),
        is_null: descriptor.full_name() == "google.protobuf.NullValue",
        default: descriptor.default_value().number(),
    }
}

fn quoted(text: &str) -> Box<[u8]> {
    serde_json::Value::from(text).to_string().into_bytes().into()
}

/// Where each type stands in the plan, by its full name.
struct Ids<'a> {
    messages: HashMap<&'a str, MessageId>,
    enums: HashMap<&'a str, EnumId>,
}

impl Ids<'_> {
    fn message(&self, descriptor: &MessageDescriptor, plan: &Plan) -> Message {
        let options = descriptor.descriptor_proto().options.as_ref();
        let own = descriptor.fields().map(|field| self.field(&field, plan));
        let extensions = descriptor.extensions().map(|extension| self.extension(&extension));
        let fields: Vec<_> = own.chain(extensions).collect();
        Message {
            name: descriptor.full_name().into(),
            form: form(descriptor.full_name()),
            slots: Slots::new(fields.iter().map(|field| field.number)),
            names: names(&fields),
            in_number_order: fields.is_sorted_by_key(|field| field.number),
            oneofs: descriptor.oneofs().len(),
            is_set: options.is_some_and(prost_types::MessageOptions::message_set_wire_format),
            fields,
        }
    }

    fn field(&self, descriptor: &FieldDescriptor, plan: &Plan) -> Field {
        let shape = match descriptor.kind() {
            Described::Message(entry) if descriptor.is_map() => {
                Shape::Map { key: self.part(&entry, 1), value: self.part(&entry, 2) }
            }
            kind if descriptor.is_list() => Shape::Many(self.kind(&kind, descriptor.is_group())),
            kind => Shape::One(self.kind(&kind, descriptor.is_group())),
        };
        let key = key(match plan.style.json.names {
            rest::Names::Json => descriptor.json_name(),
            rest::Names::Proto => descriptor.name(),
        });
        let has_presence = descriptor.supports_presence();
        let (absent, omitted) = match plan.style.json.defaults {
            _ if has_presence => (Box::default(), Box::default()),
            Defaults::Print => ([&*key, &default(shape, plan)].concat().into(), Box::default()),
            Defaults::Omit => (Box::default(), default(shape, plan)),
        };
        let oneof = descriptor.containing_oneof().filter(|oneof| oneof.fields().len() > 1);
        let oneof = oneof.and_then(|oneof| descriptor.parent_message().oneofs().position(|o| o == oneof));
        Field {
            number: descriptor.number(),
            proto_name: descriptor.name().into(),
            json_name: descriptor.json_name().into(),
            key,
            shape,
            oneof,
            has_presence: descriptor.supports_presence(),
            is_packed: descriptor.is_packed(),
            absent,
            omitted,
        }
    }

    /// The key or the value of a map.
    fn part(&self, entry: &MessageDescriptor, number: u32) -> Kind {
        // A map that lacks one is refused as a whole: what stands for it here is never read.
        entry.get_field(number).map_or(Kind::Bool, |field| self.kind(&field.kind(), false))
    }

    fn extension(&self, descriptor: &ExtensionDescriptor) -> Field {
        let kind = self.kind(&descriptor.kind(), descriptor.is_group());
        let is_list = descriptor.cardinality() == Cardinality::Repeated;
        let shape = if is_list { Shape::Many(kind) } else { Shape::One(kind) };
        let key = key(descriptor.json_name());
        Field {
            number: descriptor.number(),
            proto_name: descriptor.json_name().into(),
            json_name: descriptor.json_name().into(),
            key,
            shape,
            oneof: None,
            has_presence: !is_list,
            is_packed: descriptor.is_packed(),
            absent: Box::default(),
            omitted: Box::default(),
        }
    }

    fn kind(&self, kind: &Described, is_group: bool) -> Kind {
        match kind {
            Described::Bool => Kind::Bool,
            Described::Int32 => Kind::Int32,
            Described::Sint32 => Kind::Sint32,
            Described::Sfixed32 => Kind::Sfixed32,
            Described::Uint32 => Kind::Uint32,
            Described::Fixed32 => Kind::Fixed32,
            Described::Int64 => Kind::Int64,
            Described::Sint64 => Kind::Sint64,
            Described::Sfixed64 => Kind::Sfixed64,
            Described::Uint64 => Kind::Uint64,
            Described::Fixed64 => Kind::Fixed64,
            Described::Float => Kind::Float,
            Described::Double => Kind::Double,
            Described::String => Kind::String,
            Described::Bytes => Kind::Bytes,
            // A pool holds every type that its fields name.
            Described::Enum(kind) => Kind::Enum(self.enums[kind.full_name()]),
            Described::Message(kind) if is_group => Kind::Group(self.messages[kind.full_name()]),
            Described::Message(kind) => Kind::Message(self.messages[kind.full_name()]),
        }
    }
}

/// Where a name in JSON is one field's and the same in the proto another's, JSON counts.
fn names(fields: &[Field]) -> Names<usize> {
    let json = fields.iter().enumerate().map(|(slot, field)| (&*field.json_name, slot));
    let proto = fields.iter().enumerate().map(|(slot, field)| (&*field.proto_name, slot));
    Names::new(json.chain(proto))
}

fn key(name: &str) -> Box<[u8]> {
    [b",", &*quoted(name), b":"].concat().into()
}

/// The value of a field that is not set, where that cannot be told from one that is set to its default.
fn default(shape: Shape, plan: &Plan) -> Box<[u8]> {
    let mut text = Vec::new();
    match shape {
        Shape::One(kind) => plan.append_default(kind, &mut text),
        Shape::Many(_) => text.extend_from_slice(b"[]"),
        Shape::Map { .. } => text.extend_from_slice(b"{}"),
    }
    text.into()
}
