//! Reads messages: objects of fields, and the well-known types that have a form of their own.

use crate::schema::plan::{Form, Message, MessageId};
use crate::transcode::canonical::canonical;
use crate::transcode::encode;
use crate::transcode::wire::WireType;

use super::mistake::{Stop, short};
use super::reader::{Reader, Result};
use super::seen::Seen;
use super::{mask, time};

impl<'a> Reader<'a> {
    pub(super) fn message(&mut self, id: MessageId) -> Result {
        let message = self.plan.message(id);
        match message.form {
            Form::Object => self.object(message),
            // compile() refuses such a type without its field.
            Form::Bare => self.field(&message.fields[0]),
            Form::Empty => self.members(|reader, key| Err(reader.unknown(message, key))),
            Form::Value => self.dynamic_value(message),
            Form::Any => self.any(),
            Form::Timestamp => self.seconds(time::timestamp, "a time such as `2026-01-02T03:04:05Z`"),
            Form::Duration => self.seconds(time::duration, "a duration in seconds such as `1.5s`"),
            Form::FieldMask => self.field_mask(),
        }
    }

    fn object(&mut self, message: &'a Message) -> Result {
        let mut seen = Seen::default();
        self.members(|reader, key| reader.member(message, key, &mut seen))
    }

    /// Reads the value of a member of an object.
    #[inline]
    pub(super) fn member(&mut self, message: &'a Message, key: &str, seen: &mut Seen) -> Result {
        let Some(slot) = message.named(key, seen.next) else { return Err(self.unknown(message, key)) };
        seen.next = slot + 1;
        if !seen.slots.insert(slot) {
            return Err(Stop::mistake("is given twice"));
        }
        let field = &message.fields[slot];
        if self.text.peek() == Some(b'n') && !self.takes_null(field.shape) {
            return Ok(self.text.word("null")?);
        }
        if let Some(oneof) = field.oneof
            && let Some(other) = seen.choose(oneof, slot)
        {
            let rival = &message.fields[other].json_name;
            return Err(Stop::mistake(format!("excludes `{rival}`, which is given too")));
        }
        self.field(field)
    }

    #[cold]
    fn unknown(&self, message: &Message, key: &str) -> Stop {
        if self.options.ignores_unknown_fields() {
            return Stop::Ignored;
        }
        // Only what is told is worth the search.
        let nearest = if self.mistakes.are_enough() { None } else { nearest(message, key) };
        match nearest {
            Some(name) => Stop::mistake(format!("is unknown; did you mean `{name}`?")),
            None => Stop::mistake("is unknown; check its spelling"),
        }
    }

    /// Reads whatever stands here as a google.protobuf.Value.
    fn dynamic_value(&mut self, message: &'a Message) -> Result {
        let number = match self.text.peek() {
            Some(b'n') => 1,
            Some(b'"') => 3,
            Some(b't' | b'f') => 4,
            Some(b'{') => 5,
            Some(b'[') => 6,
            _ => 2,
        };
        match message.slot(number) {
            Some(slot) => self.field(&message.fields[slot]),
            None => Err(Stop::mistake("is of a type that only looks like google.protobuf.Value")),
        }
    }

    /// Reads a Timestamp or a Duration.
    fn seconds(&mut self, read: fn(&str) -> Option<(i64, i32)>, expected: &str) -> Result {
        if self.text.peek() != Some(b'"') {
            return Err(self.unexpected(expected));
        }
        let text = self.text.string()?;
        let Some((seconds, nanos)) = read(&text) else {
            return Err(Stop::mistake(format!("must be {expected}")));
        };
        time::write(seconds, nanos, self.out);
        Ok(())
    }

    fn field_mask(&mut self) -> Result {
        if self.text.peek() != Some(b'"') {
            return Err(self.unexpected(mask::EXPECTED));
        }
        let text = self.text.string()?;
        mask::read(&text, mask::strict, self.out)
            .ok_or_else(|| Stop::mistake(format!("must be {}", mask::EXPECTED)))
    }

    /// Reads a google.protobuf.Any; `@type` may stand anywhere in it.
    fn any(&mut self) -> Result {
        let Some(type_url) = self.type_url()? else {
            return self.members(|_, _| Err(Stop::mistake("stands in an Any without `@type`")));
        };
        let name = type_url.rsplit('/').next().unwrap_or_default();
        let Some(id) = self.plan.find(name) else {
            let problem =
                format!("has an `@type` that the backend's descriptors do not hold: `{}`", short(&type_url));
            return Err(Stop::mistake(problem));
        };
        encode::tag(self.out, 1, WireType::Length);
        encode::bytes(self.out, type_url.as_bytes());
        encode::tag(self.out, 2, WireType::Length);
        self.nested(|reader| {
            let start = reader.out.len();
            reader.any_content(id)?;
            // Who receives an Any may compare its bytes: they are those of the value, whatever its spelling.
            if let Ok(canonical) = canonical(reader.plan, id, &reader.out[start..]) {
                reader.out.truncate(start);
                reader.out.extend_from_slice(&canonical);
            }
            Ok(())
        })
        .map(drop)
    }

    /// The type of the Any that begins here.
    fn type_url(&mut self) -> Result<Option<String>> {
        if self.text.peek() != Some(b'{') {
            return Err(self.unexpected("an object with `@type`"));
        }
        let mut ahead = self.text;
        ahead.take(b'{');
        if ahead.peek() == Some(b'}') {
            return Ok(None);
        }
        loop {
            if ahead.key()? == "@type" {
                return match ahead.peek() {
                    Some(b'"') => Ok(Some(ahead.string()?.into_owned())),
                    _ => Err(Stop::mistake("has an `@type` that is no string")),
                };
            }
            ahead.skip()?;
            if !ahead.take(b',') {
                return Ok(None);
            }
        }
    }

    /// Reads what an Any holds: its fields, or its special form as `value`.
    fn any_content(&mut self, id: MessageId) -> Result {
        let message = self.plan.message(id);
        let (mut seen, mut has_type, mut has_value) = (Seen::default(), false, false);
        self.members(|reader, key| match key {
            "@type" if std::mem::replace(&mut has_type, true) => Err(Stop::mistake("is given twice")),
            "@type" => Ok(reader.text.skip()?),
            _ if message.form == Form::Object => reader.member(message, key, &mut seen),
            "value" if std::mem::replace(&mut has_value, true) => Err(Stop::mistake("is given twice")),
            "value" => reader.message(id),
            _ => Err(reader.unknown(message, key)),
        })?;
        if has_value || matches!(message.form, Form::Object | Form::Empty) {
            return Ok(());
        }
        Err(Stop::mistake(format!("needs `value`: `{}` has a form of its own", message.name)))
    }
}

/// The field that was most likely meant.
fn nearest<'a>(message: &'a Message, key: &str) -> Option<&'a str> {
    const LONGEST: usize = 64;
    const ALIKE: f64 = 0.85;
    let names = message.fields.iter().map(|field| &*field.json_name).filter(|_| key.len() <= LONGEST);
    let likeness = names.map(|name| (strsim::jaro_winkler(name, key), name));
    likeness.filter(|(alike, _)| *alike > ALIKE).max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, name)| name)
}
