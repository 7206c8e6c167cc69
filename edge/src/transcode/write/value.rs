//! Writes single values: scalars, enums, messages.

use crate::schema::plan::{EnumId, Kind, Shape};
use crate::transcode::literal;
use crate::transcode::wire::{Malformed, Tag, Wire, WireType};

use super::writer::{Result, Writer};

impl Writer<'_> {
    /// Writes the value behind a tag.
    #[inline]
    pub(super) fn value(&mut self, kind: Kind, tag: Tag, wire: &mut Wire<'_>) -> Result {
        if tag.wire_type != WireType::of(kind) {
            return Err(Malformed("is encoded as another type").into());
        }
        match kind {
            Kind::Message(id) | Kind::Group(id) => {
                let bytes = wire.message(tag)?;
                self.message(id, bytes)
            }
            scalar => self.scalar(scalar, wire),
        }
    }

    /// Writes what stands for a value that is not there, in an entry of a map or by itself.
    pub(super) fn default(&mut self, kind: Kind) -> Result {
        match kind {
            Kind::Message(id) | Kind::Group(id) => self.message(id, b""),
            scalar => {
                self.plan.append_default(scalar, self.out);
                Ok(())
            }
        }
    }

    /// Writes what stands for a field that is not there, where it is written by itself.
    pub(super) fn unset(&mut self, shape: Shape) -> Result {
        match shape {
            Shape::One(kind) => return self.default(kind),
            Shape::Many(_) => self.out.extend_from_slice(b"[]"),
            Shape::Map { .. } => self.out.extend_from_slice(b"{}"),
        }
        Ok(())
    }

    /// Writes a value that is no message.
    #[inline]
    pub(super) fn scalar(&mut self, kind: Kind, wire: &mut Wire<'_>) -> Result {
        let out = &mut *self.out;
        match kind {
            Kind::Bool => out.extend_from_slice(if wire.varint()? != 0 { b"true" } else { b"false" }),
            // Whoever wrote more bits than the type has meant the low ones.
            Kind::Int32 => literal::integer(out, wire.varint()? as i32),
            Kind::Uint32 => literal::integer(out, wire.varint()? as u32),
            Kind::Sint32 => literal::integer(out, zigzag(u64::from(wire.varint()? as u32)) as i32),
            Kind::Sfixed32 => literal::integer(out, wire.fixed32()? as i32),
            Kind::Fixed32 => literal::integer(out, wire.fixed32()?),
            Kind::Int64 => self.int64(wire.varint()? as i64),
            Kind::Uint64 => self.int64(wire.varint()?),
            Kind::Sint64 => self.int64(zigzag(wire.varint()?)),
            Kind::Sfixed64 => self.int64(wire.fixed64()? as i64),
            Kind::Fixed64 => self.int64(wire.fixed64()?),
            Kind::Float => literal::single(out, f32::from_bits(wire.fixed32()?)),
            Kind::Double => literal::double(out, f64::from_bits(wire.fixed64()?)),
            Kind::String => literal::string(out, wire.bytes()?)?,
            Kind::Bytes => literal::base64(out, wire.bytes()?),
            Kind::Enum(id) => {
                let number = wire.varint()? as i32;
                self.enumeration(id, number);
            }
            Kind::Message(_) | Kind::Group(_) => return Err(Malformed("is no scalar").into()),
        }
        Ok(())
    }

    #[inline]
    fn int64(&mut self, value: impl itoa::Integer) {
        if self.plan.quotes_int64() {
            literal::quoted_integer(self.out, value);
        } else {
            literal::integer(self.out, value);
        }
    }

    fn enumeration(&mut self, id: EnumId, number: i32) {
        match self.plan.enum_text(id, number) {
            Some(text) => literal::append(self.out, text),
            None => literal::integer(self.out, number),
        }
    }
}

fn zigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}
