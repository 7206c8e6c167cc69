//! Writes the well-known types that are made of other values: wrappers, Struct, Value, Any.

use crate::schema::plan::{Form, Kind, Message, MessageId, Shape};
use crate::transcode::unwritable::Unwritable;
use crate::transcode::wire::{Malformed, Wire, WireType};
use crate::transcode::{literal, message_set};

use super::writer::{Result, Writer};

impl<'a> Writer<'a> {
    pub(super) fn empty(&mut self, bytes: &[u8]) -> Result {
        let mut wire = Wire::new(bytes);
        while let Some(tag) = wire.tag()? {
            wire.skip(tag)?;
        }
        self.out.extend_from_slice(b"{}");
        Ok(())
    }

    /// Writes the only field of a message, alone.
    pub(super) fn bare(&mut self, message: &'a Message, bytes: &[u8]) -> Result {
        let field = &message.fields[0];
        let index = self.index(message, bytes)?;
        let group = self.group(0, index.clone());
        if group.is_empty() {
            self.unset(field.shape)?;
        } else {
            self.indexed(field, bytes, group)?;
        }
        self.records.truncate(index.start);
        Ok(())
    }

    /// Writes whichever kind of a google.protobuf.Value is set.
    pub(super) fn dynamic_value(&mut self, message: &'a Message, bytes: &[u8]) -> Result {
        let index = self.index(message, bytes)?;
        let slot = self.records[index.clone()].first().map(|record| record.slot);
        match slot.and_then(|slot| Some((slot, message.fields.get(slot)?))) {
            Some((slot, field)) => {
                let start = self.out.len();
                let group = self.group(slot, index.clone());
                self.indexed(field, bytes, group)?;
                let is_number = field.shape == Shape::One(Kind::Double);
                // NaN and the infinities, which are no JSON numbers, were written as text.
                if is_number && self.out[start] == b'"' {
                    return Err(Unwritable::new("is a Value that is no finite number"));
                }
            }
            None => self.out.extend_from_slice(b"null"),
        }
        self.records.truncate(index.start);
        Ok(())
    }

    /// Writes a google.protobuf.Any: the fields of what it holds behind `@type`, or its special form as `value`.
    pub(super) fn any(&mut self, bytes: &[u8]) -> Result {
        let (type_url, value) = type_and_value(bytes)?;
        if type_url.is_empty() && value.is_empty() {
            self.out.extend_from_slice(b"{}");
            return Ok(());
        }
        let name = type_url.rsplit('/').next().unwrap_or_default();
        let known = self.plan.find(name);
        if known.is_none() && self.plan.refuses_unknown_any() {
            let problem = format!("holds a type that the descriptors do not have: `{type_url}`");
            return Err(Unwritable::new(problem));
        }
        self.out.extend_from_slice(b"{\"@type\":");
        self.string(type_url.as_bytes())?;
        match known {
            Some(id) => self.held(id, value).map_err(Unwritable::inside_any)?,
            None => {
                self.out.extend_from_slice(b",\"value\":");
                literal::base64(self.out, value);
            }
        }
        self.out.push(b'}');
        Ok(())
    }

    /// Writes what an Any holds, behind its `@type`.
    fn held(&mut self, id: MessageId, value: &[u8]) -> Result {
        let message = self.plan.message(id);
        if message.form != Form::Object {
            self.out.extend_from_slice(b",\"value\":");
            return self.message(id, value);
        }
        if message.is_set {
            return self.fields(message, &message_set::unfold(value)?);
        }
        self.fields(message, value)
    }
}

/// The fields of an Any; the last of each counts.
fn type_and_value(bytes: &[u8]) -> Result<(&str, &[u8])> {
    let (mut type_url, mut value) = ("", b"".as_slice());
    let mut wire = Wire::new(bytes);
    while let Some(tag) = wire.tag()? {
        match (tag.number, tag.wire_type) {
            (1, WireType::Length) => {
                type_url = std::str::from_utf8(wire.bytes()?)
                    .map_err(|_| Malformed("has a type that is not valid UTF-8"))?;
            }
            (2, WireType::Length) => value = wire.bytes()?,
            (1 | 2, _) => return Err(Malformed("is encoded as another type").into()),
            _ => wire.skip(tag)?,
        }
    }
    Ok((type_url, value))
}
