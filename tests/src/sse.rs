//! Reads an SSE stream block by block, nothing hidden: comments and id-only blocks are shown too.

use std::mem;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use serde_json::Value;

use crate::patience::soon;

/// What stands between two empty lines.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Block {
    pub id: Option<String>,
    pub event: Option<String>,
    pub data: Option<String>,
    pub retry: Option<String>,
    pub comment: Option<String>,
}

impl Block {
    /// The data as JSON.
    ///
    /// # Panics
    /// When it is not JSON.
    pub fn json(&self) -> Value {
        let data = self.data.as_deref().unwrap_or_default();
        serde_json::from_str(data).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// The event's name; empty for a block without one.
    pub fn name(&self) -> &str {
        self.event.as_deref().unwrap_or_default()
    }
}

/// Splits bytes into blocks, however they are cut.
#[derive(Debug, Default)]
pub struct SseParser {
    line: Vec<u8>,
    block: Block,
    after_carriage_return: bool,
}

impl SseParser {
    /// Takes the next bytes and gives the blocks they complete.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Block> {
        let mut blocks = Vec::new();
        for &byte in bytes {
            let second_half = mem::replace(&mut self.after_carriage_return, byte == b'\r') && byte == b'\n';
            match byte {
                b'\n' if second_half => {}
                b'\n' | b'\r' => blocks.extend(self.end_line()),
                _ => self.line.push(byte),
            }
        }
        blocks
    }

    fn end_line(&mut self) -> Option<Block> {
        let line = String::from_utf8(mem::take(&mut self.line)).expect("SSE is UTF-8");
        if line.is_empty() {
            let block = mem::take(&mut self.block);
            return (block != Block::default()).then_some(block);
        }
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        let slot = match field {
            "" => &mut self.block.comment,
            "id" => &mut self.block.id,
            "event" => &mut self.block.event,
            "data" => &mut self.block.data,
            "retry" => &mut self.block.retry,
            other => panic!("not an SSE field: {other}"),
        };
        match slot {
            Some(text) => {
                text.push('\n');
                text.push_str(value);
            }
            None => *slot = Some(value.to_owned()),
        }
        None
    }
}

/// An SSE response being read.
pub struct SseStream {
    body: BoxStream<'static, Result<Bytes, reqwest::Error>>,
    parser: SseParser,
    ready: std::vec::IntoIter<Block>,
    last_id: Option<String>,
}

impl std::fmt::Debug for SseStream {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("SseStream").field("last_id", &self.last_id).finish_non_exhaustive()
    }
}

impl SseStream {
    /// Reads the body of `response`.
    pub fn new(response: reqwest::Response) -> Self {
        let body = response.bytes_stream().boxed();
        Self { body, parser: SseParser::default(), ready: Vec::new().into_iter(), last_id: None }
    }

    /// The next block; none when the stream ended, well or not.
    ///
    /// # Panics
    /// When nothing comes.
    pub async fn next(&mut self) -> Option<Block> {
        loop {
            if let Some(block) = self.ready.next() {
                self.last_id = block.id.clone().or(self.last_id.take());
                return Some(block);
            }
            let bytes = soon("an SSE block", self.body.try_next()).await.ok().flatten()?;
            self.ready = self.parser.push(&bytes).into_iter();
        }
    }

    /// The next block that has a name, control events included; none at the end.
    pub async fn next_named(&mut self) -> Option<Block> {
        loop {
            let block = self.next().await?;
            if block.event.is_some() {
                return Some(block);
            }
        }
    }

    /// The next event of the backend.
    ///
    /// # Panics
    /// When the stream ends or says something else first.
    pub async fn event(&mut self) -> Block {
        let block = self.next_named().await.expect("an event, not the end");
        assert!(!block.name().starts_with("lm-"), "an event, not {block:?}");
        block
    }

    /// The first named block, which must be `lm-open`: the outcome of each stream, such as `FRESH` or `GAP expired`.
    ///
    /// # Panics
    /// When something else comes first.
    pub async fn outcomes(&mut self) -> Vec<String> {
        let block = self.next_named().await.expect("lm-open, not the end");
        assert_eq!(block.name(), "lm-open", "{block:?}");
        let streams = block.json()["streams"].as_array().cloned().unwrap_or_default();
        let outcome = |stream: &Value| {
            let words = [&stream["outcome"], &stream["reason"]].map(|word| word.as_str().unwrap_or_default());
            words.join(" ").trim().to_owned()
        };
        streams.iter().map(outcome).collect()
    }

    /// Reads on until a block carries an id, and gives that id.
    ///
    /// # Panics
    /// When the stream ends first.
    pub async fn id(&mut self) -> String {
        loop {
            if let Some(id) = self.next().await.expect("an id, not the end").id {
                return id;
            }
        }
    }

    /// The latest id read: what an EventSource would send as `Last-Event-ID`.
    pub fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = ": hb\n\nid: 1\r\nevent: a\rdata: x\r\ndata:y\n\nretry: 5\n\nid: 2\n\n";

    fn expected() -> Vec<Block> {
        let text = |text: &str| Some(text.to_owned());
        vec![
            Block { comment: text("hb"), ..Block::default() },
            Block { id: text("1"), event: text("a"), data: text("x\ny"), ..Block::default() },
            Block { retry: text("5"), ..Block::default() },
            Block { id: text("2"), ..Block::default() },
        ]
    }

    #[test]
    fn reads_the_same_blocks_however_the_bytes_are_cut() {
        for cut in 0..TEXT.len() {
            let mut parser = SseParser::default();
            let (head, tail) = TEXT.as_bytes().split_at(cut);
            let mut blocks = parser.push(head);
            blocks.extend(parser.push(tail));
            assert_eq!(blocks, expected(), "cut at {cut}");
        }
    }
}
