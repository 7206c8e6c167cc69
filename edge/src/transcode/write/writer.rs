//! What writing one message carries along.

use crate::schema::plan::{Field, Form, MessageId, Plan};
use crate::transcode::unwritable::Unwritable;
use crate::transcode::{literal, message_set, well_known};

/// Deepest nesting below the message itself, as in protobuf.
const MAX_DEPTH: usize = 100;

/// After so many messages out of order, no more are tried in one pass: a try that fails is work done twice, and where
/// messages nest, twice at every level.
const TRIES: usize = 16;

pub(super) type Result<T = ()> = std::result::Result<T, Unwritable>;

pub(super) struct Writer<'a> {
    pub(super) plan: &'a Plan,
    pub(super) out: &'a mut Vec<u8>,
    /// Where the fields of messages that are being indexed lie; a stack.
    pub(super) records: Vec<Record>,
    tries: usize,
    depth: usize,
}

/// One field on the wire: tag and value, from where to where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) slot: usize,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Where the writer stood.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    out: usize,
    records: usize,
    depth: usize,
}

impl<'a> Writer<'a> {
    pub(super) fn new(plan: &'a Plan, out: &'a mut Vec<u8>) -> Self {
        Self { plan, out, records: Vec::new(), tries: TRIES, depth: 0 }
    }

    pub(super) fn message(&mut self, id: MessageId, bytes: &[u8]) -> Result {
        if self.depth > MAX_DEPTH {
            return Err(Unwritable::new(format!("is nested deeper than {MAX_DEPTH} levels")));
        }
        self.depth += 1;
        let message = self.plan.message(id);
        match message.form {
            Form::Object if message.is_set => {
                self.out.push(b'{');
                self.fields(message, &message_set::unfold(bytes)?)?;
                self.out.push(b'}');
            }
            Form::Object => {
                self.out.push(b'{');
                self.fields(message, bytes)?;
                self.out.push(b'}');
            }
            Form::Bare => self.bare(message, bytes)?,
            Form::Empty => self.empty(bytes)?,
            Form::Value => self.dynamic_value(message, bytes)?,
            Form::Any => self.any(bytes)?,
            Form::Timestamp => well_known::timestamp(self.out, bytes)?,
            Form::Duration => well_known::duration(self.out, bytes)?,
            Form::FieldMask => well_known::field_mask(self.out, bytes)?,
        }
        self.depth -= 1;
        Ok(())
    }

    pub(super) fn may_try(&self) -> bool {
        self.tries > 0
    }

    pub(super) fn mark(&self) -> Mark {
        Mark { out: self.out.len(), records: self.records.len(), depth: self.depth }
    }

    /// Takes back a try that failed.
    pub(super) fn rewind(&mut self, mark: Mark) {
        self.out.truncate(mark.out);
        self.records.truncate(mark.records);
        self.depth = mark.depth;
        self.tries = self.tries.saturating_sub(1);
    }

    /// Writes a field's key and what `value` writes; neither, if the value is one that is left out.
    #[inline]
    pub(super) fn pair(&mut self, field: &Field, value: impl FnOnce(&mut Self) -> Result) -> Result {
        let start = self.out.len();
        self.key(field);
        let value_start = self.out.len();
        value(self)?;
        if !field.omitted.is_empty() && self.out[value_start..] == *field.omitted {
            self.out.truncate(start);
        }
        Ok(())
    }

    /// Writes a key; `,"key":` without its comma after an opening brace.
    fn key(&mut self, field: &Field) {
        let from = usize::from(self.is_first());
        literal::append(self.out, &field.key[from..]);
    }

    /// Writes what stands for a field that is not set.
    pub(super) fn absent(&mut self, field: &Field) {
        if !field.absent.is_empty() {
            let from = usize::from(self.is_first());
            literal::append(self.out, &field.absent[from..]);
        }
    }

    /// Nothing was written behind the brace: no value ends with one that opens.
    fn is_first(&self) -> bool {
        self.out.last() == Some(&b'{')
    }

    pub(super) fn string(&mut self, text: &[u8]) -> Result {
        Ok(literal::string(self.out, text)?)
    }
}
