//! Writes the fields of a message from an index of them, however they came: late, again, in parts, or rivals of a oneof.

use std::borrow::Cow;
use std::ops::Range;

use crate::schema::plan::{Field, Message, MessageId, Shape};
use crate::transcode::unwritable::Unwritable;
use crate::transcode::wire::{Malformed, Wire};

use super::writer::{Record, Result, Writer};

/// The slot of a field that was superseded; it sorts last.
const GONE: usize = usize::MAX;

impl<'a> Writer<'a> {
    pub(super) fn by_index(&mut self, message: &'a Message, bytes: &[u8]) -> Result {
        let index = self.index(message, bytes)?;
        let mut at = index.start;
        for (slot, field) in message.fields.iter().enumerate() {
            let group = self.group(slot, at..index.end);
            at = group.end;
            if group.is_empty() {
                self.absent(field);
            } else {
                self.pair(field, |writer| writer.indexed(field, bytes, group))?;
            }
        }
        self.records.truncate(index.start);
        Ok(())
    }

    /// Writes one field of a message, its default when it is not set.
    pub(super) fn one_field(&mut self, id: MessageId, number: u32, bytes: &[u8]) -> Result {
        let message = self.plan.message(id);
        let Some(slot) = message.slot(number) else {
            return Err(Unwritable::new(format!("has no field {number}")));
        };
        let index = self.index(message, bytes)?;
        let at = index.start + self.records[index.clone()].partition_point(|record| record.slot < slot);
        let group = self.group(slot, at..index.end);
        let field = &message.fields[slot];
        if group.is_empty() { self.unset(field.shape) } else { self.indexed(field, bytes, group) }
    }

    /// Finds the fields of a message, sorted by slot and then as on the wire, those that still hold.
    pub(super) fn index(&mut self, message: &Message, bytes: &[u8]) -> Result<Range<usize>> {
        let base = self.records.len();
        let mut wire = Wire::new(bytes);
        loop {
            let start = bytes.len() - wire.len();
            let Some(tag) = wire.tag()? else { break };
            wire.skip(tag)?;
            if let Some(slot) = message.slot(tag.number) {
                self.records.push(Record { slot, start, end: bytes.len() - wire.len() });
            }
        }
        let records = &mut self.records[base..];
        if message.oneofs > 0 && records.len() > 1 {
            drop_rivals(message, records);
        }
        records.sort_unstable_by_key(|record| (record.slot, record.start));
        Ok(base..self.records.len())
    }

    /// The records of a slot, which stand at the beginning of these if there are any.
    pub(super) fn group(&self, slot: usize, records: Range<usize>) -> Range<usize> {
        let others = self.records[records.clone()].iter().position(|record| record.slot != slot);
        records.start..others.map_or(records.end, |count| records.start + count)
    }

    /// Writes a field from its records.
    pub(super) fn indexed(&mut self, field: &Field, bytes: &[u8], group: Range<usize>) -> Result {
        let records = &self.records[group];
        match (field.shape, records) {
            (Shape::One(kind), [_, _, ..]) if let Some(id) = kind.message() => {
                let mut merged = Vec::new();
                for record in records {
                    let mut wire = Wire::new(&bytes[record.start..record.end]);
                    if let Some(tag) = wire.tag()? {
                        merged.extend_from_slice(wire.message(tag)?);
                    }
                }
                self.message(id, &merged).map_err(|error| error.within(field.name()))
            }
            // Of several values the last counts.
            (Shape::One(_), [.., last]) => self.run(field, &bytes[last.start..last.end]),
            (_, records) => {
                let run = run(records, bytes);
                self.run(field, &run)
            }
        }
    }

    /// Writes a field from bytes that hold nothing else.
    fn run(&mut self, field: &Field, bytes: &[u8]) -> Result {
        let mut wire = Wire::new(bytes);
        let tag = wire.tag()?.ok_or(Malformed("has no value"))?;
        self.field(field, tag, &mut wire)
    }
}

/// The bytes of these records, one after the other; copied only where something stands between them.
fn run<'b>(records: &[Record], bytes: &'b [u8]) -> Cow<'b, [u8]> {
    if let ([first, ..], [.., last]) = (records, records)
        && records.is_sorted_by(|one, next| one.end == next.start)
    {
        return Cow::Borrowed(&bytes[first.start..last.end]);
    }
    Cow::Owned(records.iter().flat_map(|record| &bytes[record.start..record.end]).copied().collect())
}

/// Setting a member of a oneof clears all others: what came before a rival is gone.
fn drop_rivals(message: &Message, records: &mut [Record]) {
    /// What the end of the message says of a oneof.
    #[derive(Clone, Copy)]
    enum Seen {
        Nothing,
        Only(usize),
        Rivals,
    }
    let mut oneofs = vec![Seen::Nothing; message.oneofs];
    for record in records.iter_mut().rev() {
        let Some(oneof) = message.fields[record.slot].oneof else { continue };
        match oneofs[oneof] {
            Seen::Nothing => oneofs[oneof] = Seen::Only(record.slot),
            Seen::Only(slot) if slot == record.slot => {}
            Seen::Only(_) | Seen::Rivals => {
                oneofs[oneof] = Seen::Rivals;
                record.slot = GONE;
            }
        }
    }
}
