//! Checks request JSON for what a parser lets through or cannot place: fields twice, unknown ones, endless nesting.

use std::collections::HashSet;
use std::fmt;

use prost_reflect::{DescriptorPool, FieldDescriptor, Kind, MessageDescriptor};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Deepest nesting accepted, as in protobuf itself.
pub const MAX_DEPTH: usize = 100;

/// Walks a JSON value; fails on an unknown field, and on one that is named twice, in one spelling or two.
#[derive(Debug)]
pub struct Strict {
    shape: Shape,
    depth: usize,
}

#[derive(Debug, Clone)]
enum Shape {
    Message(MessageDescriptor),
    /// Keys are data, the values are of this shape: maps.
    Map(Box<Self>),
    /// Keys are of the message that `@type` names, wherever it stands.
    Any(DescriptorPool),
    /// Keys are data: Struct.
    Free,
}

impl Strict {
    pub fn new(message: &MessageDescriptor) -> Self {
        Self { shape: Shape::of(message), depth: 0 }
    }

    fn inner(&self, shape: Shape) -> Self {
        Self { shape, depth: self.depth + 1 }
    }
}

/// Fails whatever the value is.
struct Refused(&'static str);

impl<'de> DeserializeSeed<'de> for Refused {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, _: D) -> Result<(), D::Error> {
        Err(D::Error::custom(self.0))
    }
}

impl Shape {
    fn of(message: &MessageDescriptor) -> Self {
        match message.full_name() {
            "google.protobuf.Any" => Self::Any(message.parent_pool().clone()),
            name if name.starts_with("google.protobuf.") => Self::Free,
            _ => Self::Message(message.clone()),
        }
    }

    fn of_field(field: &FieldDescriptor) -> Self {
        match field.kind() {
            Kind::Message(entry) if field.is_map() => {
                Self::Map(Box::new(Self::of_kind(&entry.map_entry_value_field().kind())))
            }
            kind => Self::of_kind(&kind),
        }
    }

    fn of_kind(kind: &Kind) -> Self {
        match kind {
            Kind::Message(message) => Self::of(message),
            _ => Self::Free,
        }
    }

    /// The shape of the value under a key; `None` when no such key can be.
    fn of_key(&self, key: &str) -> Option<Self> {
        match self {
            Self::Message(message) => field_of(message, key).as_ref().map(Self::of_field),
            Self::Map(values) => Some((**values).clone()),
            Self::Any(_) | Self::Free => Some(Self::Free),
        }
    }
}

/// Finds a field by either spelling.
fn field_of(message: &MessageDescriptor, key: &str) -> Option<FieldDescriptor> {
    message.get_field_by_json_name(key).or_else(|| message.get_field_by_name(key))
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.depth > MAX_DEPTH {
            return Err(D::Error::custom(format!("nested deeper than {MAX_DEPTH} levels")));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut keys = HashSet::new();
        let mut type_name = None;
        while let Some(key) = map.next_key::<String>()? {
            let name = match &self.shape {
                Shape::Message(message) => {
                    field_of(message, &key).map_or(key.clone(), |field| field.name().to_owned())
                }
                _ => key.clone(),
            };
            // Refused as its value, so that the error's path ends with the field.
            if !keys.insert(name) {
                map.next_value_seed(Refused("is given twice"))?;
            } else if matches!(self.shape, Shape::Any(_)) && key == "@type" {
                type_name = Some(map.next_value::<String>()?);
            } else if let Some(shape) = self.shape.of_key(&key) {
                map.next_value_seed(self.inner(shape))?;
            } else {
                map.next_value_seed(Refused("is unknown; check its spelling"))?;
            }
        }
        if let (Shape::Any(pool), Some(type_name)) = (&self.shape, type_name)
            && let Some(message) = pool.get_message_by_name(type_name.rsplit('/').next().unwrap_or_default())
        {
            let mut numbers = HashSet::new();
            let twice = keys
                .iter()
                .filter_map(|key| field_of(&message, key))
                .find(|field| !numbers.insert(field.number()));
            if let Some(field) = twice {
                return Err(A::Error::custom(format!("`{}` is given twice", field.name())));
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(self.inner(self.shape.clone()))?.is_some() {}
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        serde::Deserialize::deserialize(deserializer).map(|IgnoredAny| ())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}
