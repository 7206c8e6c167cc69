//! The plan's types: messages found by index, fields by number, and whatever text of theirs is always the same.

use std::collections::HashMap;

use crate::config::rest::{Enums, Int64};

use super::names::Names;
use super::slots::Slots;
use super::style::{Style, UnknownAny};

/// All message and enum types of a descriptor pool. Immutable.
#[derive(Debug)]
pub struct Plan {
    pub(super) style: Style,
    pub(super) messages: Vec<Message>,
    pub(super) enums: Vec<Enum>,
    pub(super) by_name: HashMap<String, MessageId>,
}

/// A message type of one plan; it means nothing to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageId(pub(super) usize);

/// An enum type of one plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EnumId(pub(super) usize);

/// A message type.
#[derive(Debug)]
pub struct Message {
    /// Its full name.
    pub name: Box<str>,
    pub form: Form,
    /// In the order of declaration, extensions after them.
    pub fields: Vec<Field>,
    pub(super) slots: Slots,
    /// By both spellings.
    pub(super) names: Names<usize>,
    /// The order of declaration is the order of numbers, in which encoders write.
    pub in_number_order: bool,
    pub oneofs: usize,
    /// Its fields stand on the wire as items of number and message (`message_set_wire_format`).
    pub is_set: bool,
}

/// What a message becomes in JSON (protobuf.dev, "ProtoJSON Format").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// An object of its fields.
    Object,
    /// Its only field alone: Struct, ListValue and the wrappers.
    Bare,
    Empty,
    Value,
    Any,
    Timestamp,
    Duration,
    FieldMask,
}

impl Form {
    /// Null is one of its values; for all others it says that there is none.
    pub fn takes_null(self) -> bool {
        self == Self::Value
    }
}

/// A field of a message.
#[derive(Debug)]
pub struct Field {
    pub number: u32,
    /// As declared in the proto.
    pub proto_name: Box<str>,
    /// lowerCamelCase, or what `json_name` says.
    pub json_name: Box<str>,
    /// `,"name":`
    pub key: Box<[u8]>,
    pub shape: Shape,
    /// Which oneof of the message it is a member of, if others are too.
    pub oneof: Option<usize>,
    /// One that is set to its default can be told from one that is not set.
    pub has_presence: bool,
    /// Its values are encoded in one record.
    pub is_packed: bool,
    /// What is written when it is not set: the key and its default, or nothing.
    pub absent: Box<[u8]>,
    /// The value that is left out although it stands on the wire; empty when there is none.
    pub omitted: Box<[u8]>,
}

impl Field {
    /// Its name in JSON, still escaped.
    pub fn name(&self) -> &str {
        // The key is made of `,"`, the name, and `":`.
        std::str::from_utf8(&self.key[2..self.key.len() - 2]).unwrap_or_default()
    }
}

/// How often a field occurs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    One(Kind),
    Many(Kind),
    Map { key: Kind, value: Kind },
}

/// How a value is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Bool,
    Int32,
    Sint32,
    Sfixed32,
    Uint32,
    Fixed32,
    Int64,
    Sint64,
    Sfixed64,
    Uint64,
    Fixed64,
    Float,
    Double,
    String,
    Bytes,
    Enum(EnumId),
    Message(MessageId),
    /// A message between a start and an end tag (proto2).
    Group(MessageId),
}

/// An enum type.
#[derive(Debug)]
pub struct Enum {
    /// Numbers, ascending, with their quoted names.
    pub(super) names: Vec<(i32, Box<[u8]>)>,
    pub(super) numbers: Names<i32>,
    /// Every number is written as `null`: google.protobuf.NullValue.
    pub is_null: bool,
    /// The number of a field that is not set.
    pub default: i32,
}

impl Plan {
    /// 64-bit integers are written in quotes.
    pub fn quotes_int64(&self) -> bool {
        self.style.json.int64 == Int64::String
    }

    pub fn refuses_unknown_any(&self) -> bool {
        self.style.unknown_any == UnknownAny::Refused
    }

    /// The text of an enum's value; a number without one is written as it is.
    pub fn enum_text(&self, id: EnumId, number: i32) -> Option<&[u8]> {
        let kind = self.enumeration(id);
        match self.style.json.enums {
            _ if kind.is_null => Some(b"null"),
            Enums::Name => kind.name(number),
            Enums::Number => None,
        }
    }

    /// Appends the default of a kind; messages have none.
    pub fn append_default(&self, kind: Kind, out: &mut Vec<u8>) {
        let text: &[u8] = match kind {
            Kind::Bool => b"false",
            Kind::String | Kind::Bytes => b"\"\"",
            kind if kind.is_int64() && self.quotes_int64() => b"\"0\"",
            Kind::Message(_) | Kind::Group(_) => b"null",
            Kind::Enum(id) => {
                let number = self.enumeration(id).default;
                return match self.enum_text(id, number) {
                    Some(text) => out.extend_from_slice(text),
                    None => out.extend_from_slice(number.to_string().as_bytes()),
                };
            }
            _ => b"0",
        };
        out.extend_from_slice(text);
    }

    /// Finds a message by its full name.
    pub fn find(&self, name: &str) -> Option<MessageId> {
        self.by_name.get(name).copied()
    }

    pub fn message(&self, id: MessageId) -> &Message {
        &self.messages[id.0]
    }

    pub fn enumeration(&self, id: EnumId) -> &Enum {
        &self.enums[id.0]
    }
}

impl Message {
    /// The index of the field with this number.
    pub fn slot(&self, number: u32) -> Option<usize> {
        self.slots.find(number)
    }

    /// The index of the field with this name, in either spelling; `guess` is looked at first.
    #[inline]
    pub fn named(&self, name: &str, guess: usize) -> Option<usize> {
        match self.fields.get(guess) {
            Some(field) if *field.json_name == *name => Some(guess),
            _ => self.names.find(name),
        }
    }
}

impl Enum {
    /// The number of a name.
    pub fn number(&self, name: &str) -> Option<i32> {
        self.numbers.find(name)
    }

    /// All names but aliases, for people to read.
    pub fn listed(&self) -> String {
        let names = self.names.iter().filter_map(|(_, quoted)| std::str::from_utf8(quoted).ok());
        names.map(|quoted| quoted.trim_matches('"')).collect::<Vec<_>>().join(", ")
    }

    /// The name of a number, in quotes.
    pub fn name(&self, number: i32) -> Option<&[u8]> {
        // Most enums count from 0.
        let guess = usize::try_from(number).ok().and_then(|index| self.names.get(index));
        if let Some((_, name)) = guess.filter(|(other, _)| *other == number) {
            return Some(name);
        }
        let index = self.names.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        Some(&self.names[index].1)
    }
}

impl Kind {
    /// The message type of a value that is a message.
    pub fn message(self) -> Option<MessageId> {
        match self {
            Self::Message(id) | Self::Group(id) => Some(id),
            _ => None,
        }
    }

    fn is_int64(self) -> bool {
        matches!(self, Self::Int64 | Self::Sint64 | Self::Sfixed64 | Self::Uint64 | Self::Fixed64)
    }

    /// Whether several values may stand in one record.
    pub fn is_packable(self) -> bool {
        !matches!(self, Self::String | Self::Bytes | Self::Message(_) | Self::Group(_))
    }
}
