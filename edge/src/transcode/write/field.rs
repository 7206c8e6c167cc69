//! Writes all values of a field, whatever its shape.

use crate::schema::plan::{Field, Kind, Shape};
use crate::transcode::wire::{Tag, Wire, WireType};

use super::writer::{Result, Writer};

impl Writer<'_> {
    /// Writes a field whose tag was just read, and takes the repetitions that follow it at once.
    pub(super) fn field(&mut self, field: &Field, tag: Tag, wire: &mut Wire<'_>) -> Result {
        let written = match field.shape {
            Shape::One(kind) => self.value(kind, tag, wire),
            Shape::Many(kind) => self.list(kind, tag, wire),
            Shape::Map { key, value } => self.map(key, value, tag, wire),
        };
        written.map_err(|error| error.within(field.name()))
    }

    fn list(&mut self, kind: Kind, mut tag: Tag, wire: &mut Wire<'_>) -> Result {
        self.out.push(b'[');
        loop {
            if tag.wire_type == WireType::Length && kind.is_packable() {
                let mut packed = Wire::new(wire.bytes()?);
                while !packed.is_empty() {
                    self.scalar(kind, &mut packed)?;
                    self.out.push(b',');
                }
            } else {
                self.value(kind, tag, wire)?;
                self.out.push(b',');
            }
            match wire.tag_of(tag.number)? {
                Some(next) => tag = next,
                None => break,
            }
        }
        self.close(b']');
        Ok(())
    }

    /// Closes what has a comma after every element; no element ends with one.
    pub(super) fn close(&mut self, bracket: u8) {
        match self.out.last_mut() {
            Some(last) if *last == b',' => *last = bracket,
            _ => self.out.push(bracket),
        }
    }
}
