//! What is wrong with JSON, told with the path and the place in its sender's own text.

use std::borrow::Cow;

use crate::error::{Code, Error};

use super::text::{Syntax, Text};

/// More are not told.
const MOST: usize = 20;

/// Why a value is not read.
#[derive(Debug)]
pub(super) enum Stop {
    /// The text is no JSON: nothing behind this place can be read.
    Syntax(Syntax),
    /// The value is not what the field takes.
    Mistake(Cow<'static, str>),
    /// The value is unknown, and unknown ones are to be passed over.
    Ignored,
}

impl Stop {
    pub(super) fn mistake(problem: impl Into<Cow<'static, str>>) -> Self {
        Self::Mistake(problem.into())
    }
}

impl From<Syntax> for Stop {
    fn from(syntax: Syntax) -> Self {
        Self::Syntax(syntax)
    }
}

/// The mistakes of one document.
#[derive(Debug, Default)]
pub(super) struct Mistakes(Vec<(usize, Cow<'static, str>)>);

impl Mistakes {
    /// Notes what is wrong with the value that begins at this place.
    pub(super) fn note(&mut self, at: usize, problem: Cow<'static, str>) {
        if !self.are_enough() {
            self.0.push((at, problem));
        }
    }

    /// Whether no more are told.
    pub(super) fn are_enough(&self) -> bool {
        self.0.len() >= MOST
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// An error that names every field, by its path below `root`.
    pub(super) fn told(mut self, source: &str, root: &str) -> Error {
        self.0.sort_by_key(|(at, _)| *at);
        let told = self.0.into_iter().map(|(at, problem)| {
            let path = path_to(source, root, at);
            (path, format!("{problem} ({})", place(source, at)))
        });
        let told: Vec<_> = told.collect();
        let lines = told.iter().map(|(path, problem)| match path.as_str() {
            "" => problem.clone(),
            path => format!("{path}: {problem}"),
        });
        let message = lines.collect::<Vec<_>>().join("; ");
        let error = Error::new(Code::InvalidArgument, "FIELD_INVALID", message);
        told.into_iter().fold(error, |error, (path, problem)| error.violation(path, problem))
    }
}

/// The error of a text that is no JSON.
pub(super) fn no_json(source: &str, syntax: Syntax) -> Error {
    let Syntax { at, problem } = syntax;
    let message = format!("The body is not valid JSON: {problem} ({}).", place(source, at));
    Error::new(Code::InvalidArgument, "JSON_INVALID", message)
}

/// The error of bytes that are no text.
pub(super) fn no_text(bytes: &[u8], valid: usize) -> Error {
    // Up to here it is text.
    let source = std::str::from_utf8(&bytes[..valid]).unwrap_or_default();
    no_json(source, Syntax { at: valid, problem: "it is not UTF-8" })
}

fn place(source: &str, at: usize) -> String {
    let before = &source.as_bytes()[..at.min(source.len())];
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
    format!("line {line}, column {column}")
}

/// A container on the way to a value.
enum Step<'a> {
    Key(Cow<'a, str>),
    Index(usize),
}

/// The path of the value that begins at this place, found by walking there: mistakes are rare.
fn path_to(source: &str, root: &str, at: usize) -> String {
    let mut path = root.to_owned();
    for step in steps_to(source, at) {
        match step {
            Step::Key(key) => {
                path.push_str(if path.is_empty() { "" } else { "." });
                path.push_str(short(&key));
            }
            Step::Index(index) => path.push_str(&format!("[{index}]")),
        }
    }
    path
}

/// A body must not come back many times its size: names of fields are shorter than this.
pub(super) fn short(name: &str) -> &str {
    const LONGEST: usize = 200;
    name.char_indices().nth(LONGEST).map_or(name, |(end, _)| &name[..end])
}

fn steps_to(source: &str, at: usize) -> Vec<Step<'_>> {
    let mut text = Text::new(source);
    let mut steps = Vec::new();
    while let Some(byte) = text.peek().filter(|_| text.at() < at) {
        let walked = match byte {
            b'{' | b'[' => {
                steps.push(if byte == b'{' { Step::Key(Cow::Borrowed("")) } else { Step::Index(0) });
                text.expect(byte, "").and_then(|()| next_key(&mut text, &mut steps))
            }
            b',' => {
                if let Some(Step::Index(index)) = steps.last_mut() {
                    *index += 1;
                }
                text.expect(byte, "").and_then(|()| next_key(&mut text, &mut steps))
            }
            b'}' | b']' => {
                steps.pop();
                text.expect(byte, "")
            }
            _ => text.skip_scalar(),
        };
        // The text was read up to the mistake before.
        if walked.is_err() {
            break;
        }
    }
    steps
}

fn next_key<'a>(text: &mut Text<'a>, steps: &mut [Step<'a>]) -> Result<(), Syntax> {
    if let Some(Step::Key(key)) = steps.last_mut()
        && text.peek() == Some(b'"')
    {
        *key = text.key()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_spelled_as_its_sender_spelled_it() {
        let source = r#"{"a": [{}, {"b": 1, "\u0063 d": [[2], [[], 3]]}], "e": {"f": 4}, "g": 5}"#;
        for (value, expected) in
            [("1", "a[1].b"), ("2", "a[1].c d[0][0]"), ("3", "a[1].c d[1][1]"), ("4", "e.f"), ("5", "g")]
        {
            let at = source.find(value).filter(|_| value != "1").unwrap_or(source.find(" 1").unwrap() + 1);
            let at = if value == "3" { source.rfind("3]").unwrap() } else { at };
            assert_eq!(path_to(source, "", at), expected);
        }
        assert_eq!(path_to(source, "root", 0), "root");
        assert_eq!(path_to("[1, 2]", "root", 4), "root[1]");
    }

    #[test]
    fn a_place_is_a_line_and_a_column() {
        assert_eq!(place("ab\ncd\nef", 7), "line 3, column 2");
        assert_eq!(place("", 0), "line 1, column 1");
    }
}
