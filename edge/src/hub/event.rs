//! An event, rendered once for all who read it.

use std::ops::Range;

use bytes::Bytes;

use crate::transcode::sse;

/// One event in every form of the HTTP faces: a block of SSE of which the other forms are parts, so that nothing is
/// rendered or copied for one reader more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// `event:`, `data:` and `id:` lines, and the empty line behind them.
    block: Bytes,
    json: Range<usize>,
}

/// An event that does not know its cursor token yet.
#[derive(Debug)]
pub struct Draft {
    block: Vec<u8>,
    json: Range<usize>,
}

impl Draft {
    /// `write` appends the JSON, which has no line ends.
    ///
    /// # Errors
    /// Whatever `write` fails with.
    pub fn new<E>(name: Option<&str>, write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Result<Self, E> {
        let mut block = Vec::new();
        if let Some(name) = name {
            sse::field(&mut block, "event", name.as_bytes());
        }
        block.extend_from_slice(b"data: ");
        let start = block.len();
        write(&mut block)?;
        let json = start..block.len();
        block.push(b'\n');
        Ok(Self { block, json })
    }

    /// `token` is where a stream stands that has delivered this event.
    pub fn at(mut self, token: &str) -> Event {
        self.block.reserve_exact(token.len() + 6);
        sse::field(&mut self.block, "id", token.as_bytes());
        self.block.push(b'\n');
        Event { block: self.block.into(), json: self.json }
    }
}

impl Event {
    /// Its value.
    pub fn json(&self) -> Bytes {
        self.block.slice(self.json.clone())
    }

    /// Its value as a line of NDJSON.
    pub fn line(&self) -> Bytes {
        self.block.slice(self.json.start..self.json.end + 1)
    }

    /// A whole block of SSE, for a connection that reads this stream alone.
    pub fn block(&self) -> Bytes {
        self.block.clone()
    }

    /// The same without its id and its end: a connection that reads several streams has an id of its own.
    pub fn block_without_id(&self) -> Bytes {
        self.block.slice(..=self.json.end)
    }

    /// Its name, where it has one.
    pub fn name(&self) -> Option<&str> {
        let line = self.block.strip_prefix(b"event: ")?;
        let end = line.iter().position(|byte| *byte == b'\n')?;
        std::str::from_utf8(&line[..end]).ok()
    }

    /// Bytes that it holds.
    pub fn size(&self) -> usize {
        self.block.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_a_part_of_one_block() {
        let write = |out: &mut Vec<u8>| {
            out.extend_from_slice(br#"{"n":1}"#);
            Ok::<_, ()>(())
        };
        for (name, head) in [(Some("tick"), "event: tick\n"), (None, "")] {
            let event = Draft::new(name, write).unwrap().at("lm1.T.7");
            let without = format!("{head}data: {{\"n\":1}}\n");
            assert_eq!(event.block(), format!("{without}id: lm1.T.7\n\n"));
            assert_eq!(event.block_without_id(), without);
            assert_eq!(event.json(), r#"{"n":1}"#);
            assert_eq!(event.line(), "{\"n\":1}\n");
            assert_eq!(event.name(), name);
        }
        assert_eq!(Draft::new(None, |_| Err("no")).unwrap_err(), "no");
    }
}
