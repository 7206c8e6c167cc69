//! What reading one JSON document carries along.

use crate::schema::plan::{MessageId, Plan};
use crate::transcode::encode;

use super::mistake::{Mistakes, Stop};
use super::options::ReadOptions;
use super::text::Text;

/// Deepest nesting of messages below the first, as decoders of protobuf have it.
const MAX_DEPTH: usize = 100;

pub(super) type Result<T = ()> = std::result::Result<T, Stop>;

pub(super) struct Reader<'a> {
    pub(super) plan: &'a Plan,
    pub(super) options: ReadOptions,
    pub(super) text: Text<'a>,
    pub(super) out: &'a mut Vec<u8>,
    pub(super) mistakes: Mistakes,
    depth: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(plan: &'a Plan, options: ReadOptions, text: Text<'a>, out: &'a mut Vec<u8>) -> Self {
        Self { plan, options, text, out, mistakes: Mistakes::default(), depth: 0 }
    }

    /// Reads the whole document, and nothing behind it.
    pub(super) fn document(&mut self, read: impl FnOnce(&mut Self) -> Result) -> Result {
        self.guarded(read)?;
        Ok(self.text.end()?)
    }

    pub(super) fn root(&mut self, id: MessageId) -> Result {
        self.document(|reader| reader.message(id))
    }

    /// Reads a value; one with a mistake is noted and passed over, so that all mistakes are told at once.
    #[inline]
    pub(super) fn guarded(&mut self, read: impl FnOnce(&mut Self) -> Result) -> Result {
        self.text.peek();
        let (text, length, depth) = (self.text, self.out.len(), self.depth);
        match read(self) {
            Ok(()) => Ok(()),
            Err(Stop::Syntax(syntax)) => Err(Stop::Syntax(syntax)),
            Err(stop) => {
                if let Stop::Mistake(problem) = stop {
                    self.mistakes.note(text.at(), problem);
                }
                self.out.truncate(length);
                (self.text, self.depth) = (text, depth);
                Ok(self.text.skip()?)
            }
        }
    }

    /// Writes what is read behind its length; tells where it begins.
    #[inline]
    pub(super) fn nested(&mut self, read: impl FnOnce(&mut Self) -> Result) -> Result<usize> {
        self.deeper()?;
        let start = encode::open(self.out);
        read(self)?;
        self.depth -= 1;
        Ok(encode::close(self.out, start))
    }

    /// Writes what is read between the tags of a group.
    pub(super) fn group(&mut self, read: impl FnOnce(&mut Self) -> Result) -> Result {
        self.deeper()?;
        read(self)?;
        self.depth -= 1;
        Ok(())
    }

    /// Maps, lists and objects of a Struct nest on the wire as messages do; deeper than this no backend could read them.
    fn deeper(&mut self) -> Result {
        if self.depth == MAX_DEPTH {
            return Err(Stop::mistake(format!("is nested deeper than {MAX_DEPTH} levels")));
        }
        self.depth += 1;
        Ok(())
    }

    /// Reads the members of an object.
    #[inline]
    pub(super) fn members(&mut self, mut member: impl FnMut(&mut Self, &str) -> Result) -> Result {
        if !self.text.take(b'{') {
            return Err(self.unexpected("an object"));
        }
        if self.text.take(b'}') {
            return Ok(());
        }
        loop {
            let key = self.text.key()?;
            self.guarded(|reader| member(reader, &key))?;
            if !self.text.take(b',') {
                return Ok(self.text.expect(b'}', "`,` or `}` is due")?);
            }
        }
    }

    /// Reads the items of an array.
    #[inline]
    pub(super) fn items(&mut self, mut item: impl FnMut(&mut Self) -> Result) -> Result {
        if !self.text.take(b'[') {
            return Err(self.unexpected("an array"));
        }
        if self.text.take(b']') {
            return Ok(());
        }
        loop {
            self.guarded(&mut item)?;
            if !self.text.take(b',') {
                return Ok(self.text.expect(b']', "`,` or `]` is due")?);
            }
        }
    }

    /// The mistake of a value that stands where another kind is due.
    #[cold]
    pub(super) fn unexpected(&mut self, expected: &str) -> Stop {
        let found = match self.text.peek() {
            Some(b'{') => "an object",
            Some(b'[') => "an array",
            Some(b'"') => "this string",
            Some(b't' | b'f') => "a boolean",
            Some(b'n') => "null",
            _ => "this number",
        };
        Stop::mistake(format!("must be {expected}, not {found}"))
    }
}
