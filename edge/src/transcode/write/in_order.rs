//! Writes the fields of a message in one pass over its bytes.

use crate::schema::plan::Message;
use crate::transcode::wire::Wire;

use super::writer::{Result, Writer};

impl<'a> Writer<'a> {
    /// Writes the fields of a message, in one pass if they come in the order of declaration.
    pub(super) fn fields(&mut self, message: &'a Message, bytes: &[u8]) -> Result {
        if message.in_number_order && self.may_try() {
            let mark = self.mark();
            match self.in_order(message, bytes) {
                Ok(true) => return Ok(()),
                Err(error) if error.is_malformed() => return Err(error),
                // What has no JSON form in parts may have one when they are merged.
                Ok(false) | Err(_) => {}
            }
            self.rewind(mark);
        }
        self.by_index(message, bytes)
    }

    /// Whether all was written; not so when a field comes late, again, or beside another of its oneof.
    fn in_order(&mut self, message: &'a Message, bytes: &[u8]) -> Result<bool> {
        let mut wire = Wire::new(bytes);
        let mut next = 0;
        let mut oneofs = 0_u64;
        while let Some(tag) = wire.tag()? {
            let Some(slot) = message.slot(tag.number) else {
                wire.skip(tag)?;
                continue;
            };
            if slot < next {
                return Ok(false);
            }
            let field = &message.fields[slot];
            if let Some(oneof) = field.oneof {
                // Two oneofs may share a bit: then the slow way is taken for nothing.
                let bit = 1 << (oneof % 64);
                if oneofs & bit != 0 {
                    return Ok(false);
                }
                oneofs |= bit;
            }
            message.fields[next..slot].iter().for_each(|field| self.absent(field));
            self.pair(field, |writer| writer.field(field, tag, &mut wire))?;
            next = slot + 1;
        }
        message.fields[next..].iter().for_each(|field| self.absent(field));
        Ok(true)
    }
}
