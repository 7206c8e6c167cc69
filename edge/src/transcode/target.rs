//! A field of a request, found by its path: where it lies on the wire, and how it is put there.

use std::borrow::Cow;

use crate::schema::FieldPath;
use crate::schema::field::{MAX_DEPTH, Step};
use crate::schema::plan::{Field, Kind, Message, MessageId, Plan, Shape};

use super::encode;
use super::pick::find;
use super::wire::{Malformed, Wire, WireType};

type Result<T> = std::result::Result<T, Malformed>;

/// A path to a field; every field but the last is a single message.
#[derive(Debug, Clone)]
pub struct Target<'p> {
    hops: Vec<Hop<'p>>,
    steps: Vec<Step>,
}

#[derive(Debug, Clone, Copy)]
struct Hop<'p> {
    message: &'p Message,
    field: &'p Field,
}

impl<'p> Target<'p> {
    /// Finds the field that a dotted path names, in either spelling.
    ///
    /// # Errors
    /// Why it names none.
    pub fn resolve(plan: &'p Plan, root: MessageId, text: &str) -> std::result::Result<Self, String> {
        if text.split('.').count() > MAX_DEPTH {
            return Err(format!("is nested deeper than {MAX_DEPTH} levels"));
        }
        let mut hops: Vec<Hop<'p>> = Vec::new();
        for name in text.split('.') {
            let message = match hops.last().map(|hop| hop.field) {
                None => plan.message(root),
                Some(parent) => match parent.shape {
                    Shape::One(Kind::Message(id) | Kind::Group(id)) => plan.message(id),
                    _ => {
                        let parent = &parent.proto_name;
                        return Err(format!(
                            "`{parent}` is not a single message, so it has no field `{name}`"
                        ));
                    }
                },
            };
            let slot = message.named(name, usize::MAX);
            let slot = slot.ok_or_else(|| format!("`{}` has no field `{name}`", message.name))?;
            hops.push(Hop { message, field: &message.fields[slot] });
        }
        Ok(Self::new(hops))
    }

    /// The same field as a path that was resolved against the descriptors.
    pub fn of(plan: &'p Plan, root: MessageId, path: &FieldPath) -> Option<Self> {
        Self::numbered(plan, root, path.steps().iter().map(|step| step.number))
    }

    /// The field with this number.
    pub fn top(plan: &'p Plan, root: MessageId, number: u32) -> Option<Self> {
        Self::numbered(plan, root, [number])
    }

    fn numbered(plan: &'p Plan, root: MessageId, numbers: impl IntoIterator<Item = u32>) -> Option<Self> {
        let (mut hops, mut message) = (Vec::new(), Some(plan.message(root)));
        for number in numbers {
            let holder = message?;
            let field = &holder.fields[holder.slot(number)?];
            hops.push(Hop { message: holder, field });
            message = match field.shape {
                Shape::One(kind) => kind.message().map(|id| plan.message(id)),
                _ => None,
            };
        }
        (!hops.is_empty()).then(|| Self::new(hops))
    }

    fn new(hops: Vec<Hop<'p>>) -> Self {
        let steps = hops.iter().map(Hop::step).collect();
        Self { hops, steps }
    }

    pub fn field(&self) -> &'p Field {
        // A path has one name at least.
        self.hops[self.hops.len() - 1].field
    }

    /// Whether this is the same field as `other`, or a part of it.
    pub fn is_within(&self, other: &Self) -> bool {
        let mut steps = self.steps.iter().zip(&other.steps);
        self.steps.len() >= other.steps.len() && steps.all(|(step, other)| step.number == other.number)
    }

    /// Whether this is the top field with this number, or a part of it.
    pub fn is_below(&self, number: u32) -> bool {
        self.steps.first().is_some_and(|step| step.number == number)
    }

    /// Appends what `write` appends, inside of the messages on the way.
    pub fn wrap<R>(&self, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        wrap(&self.hops[..self.hops.len() - 1], out, write)
    }

    /// The value that counts, encoded, with its length where it has one.
    pub fn value_in<'a>(&self, message: &'a [u8]) -> Result<Option<&'a [u8]>> {
        find(&self.steps, message)?.last.map(|(tag, mut wire)| wire.value(tag)).transpose()
    }

    /// Whether it is set to anything that can be told from nothing.
    pub fn is_set_in(&self, message: &[u8]) -> Result<bool> {
        let is_value = |value: &[u8]| {
            let field = self.field();
            field.has_presence || !matches!(field.shape, Shape::One(_)) || value.iter().any(|byte| *byte != 0)
        };
        Ok(self.value_in(message)?.is_some_and(is_value))
    }

    /// Sets a string field.
    pub fn set_text(&self, message: &mut Vec<u8>, text: &str) {
        self.wrap(message, |out| {
            encode::tag(out, self.field().number, WireType::Length);
            encode::bytes(out, text.as_bytes());
        });
    }

    /// Sets a string field that is not set; bytes that cannot be read are left for the backend to refuse.
    pub fn fill_text(&self, message: &mut Vec<u8>, text: &str) {
        if !self.is_set_in(message).unwrap_or(true) {
            self.set_text(message, text);
        }
    }

    /// Another member of a oneof on the way that is set, and that setting this field would clear.
    pub fn rival_in(&self, message: &[u8]) -> Result<Option<&'p Field>> {
        // Behind the last oneof on the way there is nothing to find; mostly there is none at all.
        let Some(last) = self.steps.iter().rposition(|step| !step.rivals.is_empty()) else { return Ok(None) };
        let mut message = Cow::Borrowed(message);
        for (hop, step) in self.hops.iter().zip(&self.steps).take(last + 1) {
            let mut inner = Vec::new();
            let mut wire = Wire::new(&message);
            while let Some(tag) = wire.tag()? {
                if step.rivals.contains(&tag.number) {
                    return Ok(hop.message.slot(tag.number).map(|slot| &hop.message.fields[slot]));
                }
                if tag.number == step.number && step.is_message {
                    inner.extend_from_slice(wire.message(tag)?);
                } else {
                    wire.skip(tag)?;
                }
            }
            message = Cow::Owned(inner);
        }
        Ok(None)
    }

    /// The message with this field cleared.
    pub fn without(&self, message: &[u8]) -> Result<Vec<u8>> {
        let mut out = Vec::with_capacity(message.len());
        clear(&self.hops, message, &mut out)?;
        Ok(out)
    }
}

impl Hop<'_> {
    fn step(&self) -> Step {
        let members = self.message.fields.iter().filter(|other| {
            self.field.oneof.is_some() && other.oneof == self.field.oneof && other.number != self.field.number
        });
        Step {
            number: self.field.number,
            is_message: matches!(self.field.shape, Shape::One(kind) if kind.message().is_some()),
            rivals: members.map(|other| other.number).collect(),
        }
    }
}

fn wrap<R>(hops: &[Hop<'_>], out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> R) -> R {
    let [hop, below @ ..] = hops else { return write(out) };
    if matches!(hop.field.shape, Shape::One(Kind::Group(_))) {
        encode::tag(out, hop.field.number, WireType::Group);
        let written = wrap(below, out, write);
        encode::tag(out, hop.field.number, WireType::EndGroup);
        return written;
    }
    encode::tag(out, hop.field.number, WireType::Length);
    let start = encode::open(out);
    let written = wrap(below, out, write);
    encode::close(out, start);
    written
}

fn clear(hops: &[Hop<'_>], message: &[u8], out: &mut Vec<u8>) -> Result<()> {
    let [hop, below @ ..] = hops else { return Ok(()) };
    let mut wire = Wire::new(message);
    loop {
        let before = message.len() - wire.len();
        let Some(tag) = wire.tag()? else { return Ok(()) };
        if tag.number != hop.field.number {
            wire.skip(tag)?;
            out.extend_from_slice(&message[before..message.len() - wire.len()]);
        } else if below.is_empty() {
            wire.skip(tag)?;
        } else {
            let inner = wire.message(tag)?;
            wrap(&[*hop], out, |out| clear(below, inner, out))?;
        }
    }
}
