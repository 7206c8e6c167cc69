//! Reads lists and maps.

use crate::schema::plan::{Field, Kind};
use crate::transcode::encode;
use crate::transcode::wire::WireType;

use super::mistake::Stop;
use super::reader::{Reader, Result};
use super::scalar;

/// The key of an entry that was written.
struct Key {
    /// Where the entry's value begins in the text.
    at: usize,
    start: usize,
    end: usize,
}

impl Reader<'_> {
    pub(super) fn list(&mut self, field: &Field, kind: Kind) -> Result {
        if !field.is_packed {
            return self.items(|reader| reader.record(field.number, kind));
        }
        let before = self.out.len();
        encode::tag(self.out, field.number, WireType::Length);
        let start = encode::open(self.out);
        self.items(|reader| reader.scalar(kind))?;
        if self.out.len() == start {
            self.out.truncate(before);
        } else {
            encode::close(self.out, start);
        }
        Ok(())
    }

    pub(super) fn map(&mut self, number: u32, key: Kind, value: Kind) -> Result {
        let mut keys = Vec::new();
        self.members(|reader, text| {
            let (at, mut length) = (reader.text.at(), 0);
            encode::tag(reader.out, number, WireType::Length);
            let start = reader.nested(|reader| {
                let before = reader.out.len();
                encode::tag(reader.out, 1, WireType::of(key));
                scalar::plain(key, None, text, reader.out)
                    .map_err(|problem| Stop::mistake(format!("has a key that {problem}")))?;
                length = reader.out.len() - before;
                reader.record(2, value)
            })?;
            keys.push(Key { at, start, end: start + length });
            Ok(())
        })?;
        self.check_keys(keys);
        Ok(())
    }

    /// Notes keys that stand twice, in one spelling or two.
    fn check_keys(&mut self, mut keys: Vec<Key>) {
        let written = |key: &Key| &self.out[key.start..key.end];
        keys.sort_by(|a, b| written(a).cmp(written(b)));
        for pair in keys.windows(2) {
            if written(&pair[0]) == written(&pair[1]) {
                self.mistakes.note(pair[1].at, "is given twice".into());
            }
        }
    }
}
