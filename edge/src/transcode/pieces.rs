//! Cuts a body that arrives in chunks into the JSON of its messages: one document, the elements of an array, or lines.

use bytes::{Bytes, BytesMut};

use crate::error::{Code, Error, Result};

/// What has arrived and is not cut yet.
#[derive(Debug)]
pub struct Pieces {
    buffer: BytesMut,
    /// How much of the buffer has been looked at.
    seen: usize,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Lines,
    /// Nothing but whitespace yet.
    Start,
    /// No array: the body is one document.
    Single,
    Array {
        depth: usize,
        text: Text,
        is_first: bool,
    },
    /// After the array's end.
    Closed,
}

/// Where in a string the scanner is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Text {
    Outside,
    Inside,
    /// Behind a backslash.
    Escaped,
}

impl Pieces {
    /// One JSON document a line; blank lines are passed over.
    pub fn lines() -> Self {
        Self::new(State::Lines)
    }

    /// One JSON document, or an array of them.
    pub fn document() -> Self {
        Self::new(State::Start)
    }

    fn new(state: State) -> Self {
        Self { buffer: BytesMut::new(), seen: 0, state }
    }

    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// How many bytes wait for the end of their piece.
    pub fn waiting(&self) -> usize {
        self.buffer.len()
    }

    /// The next whole piece; `None` when more is needed, or when nothing is left of a body that `has_ended`.
    ///
    /// # Errors
    /// `JSON_INVALID` when the array is none. What is in a piece is not looked at.
    pub fn next(&mut self, has_ended: bool) -> Result<Option<Bytes>> {
        loop {
            match self.state {
                State::Start => match self.buffer.iter().position(|byte| !byte.is_ascii_whitespace()) {
                    None => return Ok(None),
                    Some(start) if self.buffer[start] == b'[' => {
                        self.cut(start + 1);
                        self.state = State::Array { depth: 0, text: Text::Outside, is_first: true };
                    }
                    Some(_) => self.state = State::Single,
                },
                State::Single if has_ended && !self.buffer.is_empty() => {
                    return Ok(Some(self.cut(self.buffer.len())));
                }
                State::Single => return Ok(None),
                State::Lines => match self.line(has_ended) {
                    Some(line) if line.trim_ascii().is_empty() => {}
                    line => return Ok(line),
                },
                State::Array { .. } => match self.element()? {
                    None if self.state == State::Closed => {}
                    None if has_ended => return Err(invalid("ends within its array")),
                    element => return Ok(element),
                },
                State::Closed if self.buffer.trim_ascii().is_empty() => return Ok(None),
                State::Closed => return Err(invalid("goes on after its array")),
            }
        }
    }

    fn line(&mut self, has_ended: bool) -> Option<Bytes> {
        let end = self.buffer[self.seen..].iter().position(|byte| *byte == b'\n');
        match end {
            Some(end) => Some(self.cut(self.seen + end + 1)),
            None if has_ended && !self.buffer.is_empty() => Some(self.cut(self.buffer.len())),
            None => {
                self.seen = self.buffer.len();
                None
            }
        }
    }

    /// The next element, up to the comma or bracket behind it; `None` when it is not all there, or when there is none.
    fn element(&mut self) -> Result<Option<Bytes>> {
        let State::Array { mut depth, mut text, is_first } = self.state else { return Ok(None) };
        while let Some(byte) = self.buffer.get(self.seen).copied() {
            self.seen += 1;
            match (text, byte) {
                (Text::Inside, b'"') => text = Text::Outside,
                (Text::Inside, b'\\') => text = Text::Escaped,
                (Text::Inside, _) => {}
                (Text::Escaped, _) => text = Text::Inside,
                (Text::Outside, b'"') => text = Text::Inside,
                (Text::Outside, b'{' | b'[') => depth += 1,
                (Text::Outside, b',' | b']') if depth == 0 => return self.end_element(byte, is_first),
                (Text::Outside, b'}' | b']') => {
                    depth = depth.checked_sub(1).ok_or_else(|| invalid("has a bracket too many"))?;
                }
                (Text::Outside, _) => {}
            }
        }
        self.state = State::Array { depth, text, is_first };
        Ok(None)
    }

    fn end_element(&mut self, separator: u8, is_first: bool) -> Result<Option<Bytes>> {
        let mut element = self.cut(self.seen);
        element.truncate(element.len() - 1);
        let is_last = separator == b']';
        self.state = match is_last {
            true => State::Closed,
            false => State::Array { depth: 0, text: Text::Outside, is_first: false },
        };
        match element.trim_ascii().is_empty() {
            false => Ok(Some(element)),
            // `[]`
            true if is_first && is_last => Ok(None),
            true => Err(invalid("has an empty place in its array")),
        }
    }

    fn cut(&mut self, end: usize) -> Bytes {
        self.seen = 0;
        self.buffer.split_to(end).freeze()
    }
}

fn invalid(problem: &str) -> Error {
    Error::new(Code::InvalidArgument, "JSON_INVALID", format!("The body is not valid JSON: it {problem}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pieces of a body that arrives in chunks of this size, or why there are none.
    fn cut(mut pieces: Pieces, body: &str, size: usize) -> String {
        let mut found = Vec::new();
        let mut chunks = body.as_bytes().chunks(size);
        loop {
            let chunk = chunks.next();
            pieces.feed(chunk.unwrap_or_default());
            loop {
                match pieces.next(chunk.is_none()) {
                    Ok(Some(piece)) => found.push(String::from_utf8_lossy(piece.trim_ascii()).into_owned()),
                    Ok(None) => break,
                    Err(error) => return format!("{} | {}", found.join(" | "), error.message()),
                }
            }
            if chunk.is_none() {
                return found.join(" | ");
            }
        }
    }

    #[test]
    fn pieces_are_the_same_however_they_arrive() {
        for (body, expected) in [
            ("", ""),
            (" \n", ""),
            (r#"{"a":1}"#, r#"{"a":1}"#),
            (" { } ", "{ }"),
            ("[]", ""),
            (" [ ] ", ""),
            ("[{}]", "{}"),
            (r#"[{"a":"]},[{"},[1,2] , "x\",\"" ]"#, r#"{"a":"]},[{"} | [1,2] | "x\",\"""#),
            (r#"["\\",1]"#, r#""\\" | 1"#),
            ("[1 2]", "1 2"),
            ("5", "5"),
        ] {
            for size in 1..=body.len().max(1) {
                assert_eq!(cut(Pieces::document(), body, size), expected, "{body} by {size}");
            }
        }
        for (body, expected) in [("", ""), ("{}\n", "{}"), ("{}\r\n\n \n[1]\n5", "{} | [1] | 5")] {
            for size in 1..=body.len().max(1) {
                assert_eq!(cut(Pieces::lines(), body, size), expected, "{body} by {size}");
            }
        }
    }

    #[test]
    fn what_is_no_array_is_refused() {
        for (body, problem) in [
            ("[", "ends within"),
            ("[{}", "ends within"),
            ("[{},", "ends within"),
            (r#"["]"#, "ends within"),
            ("[{]", "ends within"),
            ("[,{}]", "empty place"),
            ("[{},]", "empty place"),
            ("[{},,{}]", "empty place"),
            ("[{}]x", "goes on"),
            ("[{}][]", "goes on"),
            ("[]]", "goes on"),
            ("[}]", "bracket too many"),
        ] {
            for size in 1..=body.len() {
                let found = cut(Pieces::document(), body, size);
                assert!(found.contains(problem), "{body} by {size}: {found}");
            }
        }
    }
}
