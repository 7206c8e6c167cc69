//! Reads single values: scalars, enums, messages.

use std::borrow::Cow;

use crate::schema::plan::{EnumId, Field, Kind, Shape};
use crate::transcode::encode;
use crate::transcode::wire::WireType;

use super::mistake::Stop;
use super::reader::{Reader, Result};
use super::scalar;

impl<'a> Reader<'a> {
    /// Reads the value of a field, with its tag.
    #[inline]
    pub(super) fn field(&mut self, field: &'a Field) -> Result {
        match field.shape {
            Shape::One(kind) => self.record(field.number, kind),
            Shape::Many(kind) => self.list(field, kind),
            Shape::Map { key, value } => self.map(field.number, key, value),
        }
    }

    /// Reads the value of a field, which null leaves out.
    #[inline]
    pub(super) fn nullable(&mut self, field: &'a Field) -> Result {
        if self.text.peek() == Some(b'n') && !self.takes_null(field.shape) {
            return Ok(self.text.word("null")?);
        }
        self.field(field)
    }

    /// Whether null is a value of this field; for all others it says that there is none.
    pub(super) fn takes_null(&self, shape: Shape) -> bool {
        match shape {
            Shape::One(Kind::Message(id)) => self.plan.message(id).form.takes_null(),
            Shape::One(Kind::Enum(id)) => self.plan.enumeration(id).is_null,
            _ => false,
        }
    }

    /// Reads one value with its tag.
    #[inline]
    pub(super) fn record(&mut self, number: u32, kind: Kind) -> Result {
        encode::tag(self.out, number, WireType::of(kind));
        match kind {
            Kind::Message(id) => self.nested(|reader| reader.message(id)).map(drop),
            Kind::Group(id) => {
                self.group(|reader| reader.message(id))?;
                encode::tag(self.out, number, WireType::EndGroup);
                Ok(())
            }
            scalar => self.scalar(scalar),
        }
    }

    /// Reads a value that is no message.
    #[inline]
    pub(super) fn scalar(&mut self, kind: Kind) -> Result {
        match kind {
            Kind::String => {
                let text = self.string(kind)?;
                encode::bytes(self.out, text.as_bytes());
                Ok(())
            }
            Kind::Bool => self.boolean(),
            Kind::Bytes => {
                let text = self.string(kind)?;
                scalar::base64(&text, self.out).ok_or_else(|| wrong(kind))
            }
            Kind::Enum(id) => self.enumeration(id),
            _ => self.number(kind),
        }
    }

    #[inline]
    pub(super) fn string(&mut self, kind: Kind) -> Result<Cow<'a, str>> {
        match self.text.peek() {
            Some(b'"') => Ok(self.text.string()?),
            _ => Err(self.unexpected(scalar::expected(kind))),
        }
    }

    fn boolean(&mut self) -> Result {
        let (word, value) = match self.text.peek() {
            Some(b't') => ("true", 1),
            Some(b'f') => ("false", 0),
            _ => return Err(self.unexpected(scalar::expected(Kind::Bool))),
        };
        self.text.word(word)?;
        self.out.push(value);
        Ok(())
    }

    #[inline]
    fn number(&mut self, kind: Kind) -> Result {
        let read = match self.text.peek() {
            Some(b'-' | b'0'..=b'9') => scalar::number(kind, self.text.number()?, self.out),
            Some(b'"') => {
                let text = self.text.string()?;
                let is_number = scalar::is_quoted_number(kind, &text);
                is_number.then(|| scalar::number(kind, &text, self.out)).flatten()
            }
            _ => return Err(self.unexpected(scalar::expected(kind))),
        };
        read.ok_or_else(|| wrong(kind))
    }

    fn enumeration(&mut self, id: EnumId) -> Result {
        let kind = self.plan.enumeration(id);
        match self.text.peek() {
            Some(b'"') => {
                let name = self.text.string()?;
                match kind.number(&name) {
                    Some(number) => scalar::enumeration(number, self.out),
                    None if self.options.ignores_unknown_fields() => return Err(Stop::Ignored),
                    None => return Err(Stop::mistake(scalar::unknown_name(kind))),
                }
                Ok(())
            }
            Some(b'-' | b'0'..=b'9') => self.number(Kind::Int32),
            Some(b'n') if kind.is_null => {
                self.text.word("null")?;
                scalar::enumeration(0, self.out);
                Ok(())
            }
            _ => Err(self.unexpected(scalar::expected(Kind::Enum(id)))),
        }
    }
}

#[cold]
fn wrong(kind: Kind) -> Stop {
    Stop::mistake(format!("must be {}", scalar::expected(kind)))
}
