//! Checks that bytes are a message of their type: known fields as declared, text in UTF-8, nesting bounded.

use crate::schema::plan::{Kind, MessageId, Plan, Shape};

use super::wire::{Malformed, Tag, Wire, WireType};

/// Deepest nesting of messages, as in protobuf itself.
const MAX_DEPTH: usize = 100;

/// What is wrong, and in which field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// Its path by JSON names; empty for the message itself.
    pub field: String,
    pub problem: Malformed,
}

impl From<Malformed> for Misfit {
    fn from(problem: Malformed) -> Self {
        Self { field: String::new(), problem }
    }
}

impl Misfit {
    fn within(self, field: &str) -> Self {
        let separator = if self.field.is_empty() { "" } else { "." };
        Self { field: format!("{field}{separator}{}", self.field), ..self }
    }
}

/// Fields that the type does not have are let through, as every protobuf reader does.
pub fn well_formed(plan: &Plan, id: MessageId, message: &[u8]) -> Result<(), Misfit> {
    Checker { plan }.message(id, message, 0)
}

struct Checker<'a> {
    plan: &'a Plan,
}

impl Checker<'_> {
    fn message(&self, id: MessageId, bytes: &[u8], depth: usize) -> Result<(), Misfit> {
        if depth > MAX_DEPTH {
            return Err(Malformed("is nested deeper than 100 levels").into());
        }
        let message = self.plan.message(id);
        let mut wire = Wire::new(bytes);
        while let Some(tag) = wire.tag()? {
            match message.slot(tag.number).map(|slot| &message.fields[slot]) {
                None => wire.skip(tag)?,
                Some(field) => self
                    .field(field.shape, tag, &mut wire, depth)
                    .map_err(|misfit| misfit.within(field.name()))?,
            }
        }
        Ok(())
    }

    fn field(&self, shape: Shape, tag: Tag, wire: &mut Wire<'_>, depth: usize) -> Result<(), Misfit> {
        match shape {
            Shape::Many(kind) if tag.wire_type == WireType::Length && kind.is_packable() => {
                let mut values = Wire::new(wire.bytes()?);
                let tag = Tag { wire_type: WireType::of(kind), ..tag };
                while !values.is_empty() {
                    values.skip(tag)?;
                }
                Ok(())
            }
            Shape::One(kind) | Shape::Many(kind) => self.value(kind, tag, wire, depth),
            Shape::Map { key, value } => {
                let mut entry = Wire::new(wire.message(tag)?);
                while let Some(tag) = entry.tag()? {
                    match tag.number {
                        1 => self.value(key, tag, &mut entry, depth)?,
                        2 => self.value(value, tag, &mut entry, depth)?,
                        _ => entry.skip(tag)?,
                    }
                }
                Ok(())
            }
        }
    }

    fn value(&self, kind: Kind, tag: Tag, wire: &mut Wire<'_>, depth: usize) -> Result<(), Misfit> {
        if let Some(id) = kind.message() {
            return self.message(id, wire.message(tag)?, depth + 1);
        }
        if tag.wire_type != WireType::of(kind) {
            return Err(Malformed("is encoded as another type").into());
        }
        match kind {
            Kind::String => match std::str::from_utf8(wire.bytes()?) {
                Ok(_) => Ok(()),
                Err(_) => Err(Malformed("is not valid UTF-8").into()),
            },
            _ => Ok(wire.skip(tag)?),
        }
    }
}
