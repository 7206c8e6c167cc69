//! Checks request JSON for what a parser lets through or cannot place: fields twice, unknown ones, endless nesting.

use std::collections::HashSet;
use std::fmt;

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
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
    /// Keys are data: maps, Struct, Any.
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
        if message.full_name().starts_with("google.protobuf.") {
            Self::Free
        } else {
            Self::Message(message.clone())
        }
    }

    fn of_field(field: &FieldDescriptor) -> Self {
        match field.kind() {
            Kind::Message(message) if !field.is_map() => Self::of(&message),
            _ => Self::Free,
        }
    }
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
        let mut numbers = HashSet::new();
        let mut keys = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            let field = match &self.shape {
                Shape::Message(message) => {
                    message.get_field_by_json_name(&key).or_else(|| message.get_field_by_name(&key))
                }
                Shape::Free => None,
            };
            let fresh = match &field {
                Some(field) => numbers.insert(field.number()),
                None => keys.insert(key.clone()),
            };
            // Refused as its value, so that the error's path ends with the field.
            if !fresh {
                map.next_value_seed(Refused("is given twice"))?;
            } else if field.is_none() && matches!(self.shape, Shape::Message(_)) {
                map.next_value_seed(Refused("is unknown; check its spelling"))?;
            } else {
                map.next_value_seed(self.inner(field.as_ref().map_or(Shape::Free, Shape::of_field)))?;
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
