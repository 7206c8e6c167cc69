//! Why a message cannot be written as JSON.

use std::borrow::Cow;
use std::fmt;

use super::wire::Malformed;

/// A message that has no JSON form, with the field that is to blame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unwritable(Box<Inner>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Inner {
    path: String,
    problem: Cow<'static, str>,
    is_malformed: bool,
}

impl Unwritable {
    /// A value that is well encoded, but that JSON has no form for.
    pub fn new(problem: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner { path: String::new(), problem: problem.into(), is_malformed: false }))
    }

    /// Whether the bytes are not of the message type at all.
    pub fn is_malformed(&self) -> bool {
        self.0.is_malformed
    }

    /// Says which field it is in.
    pub(super) fn within(mut self, field: &str) -> Self {
        let dot = if self.0.path.is_empty() { "" } else { "." };
        self.0.path = format!("{field}{dot}{}", self.0.path);
        self
    }

    /// Bytes inside an Any: the message around them is well encoded.
    pub(super) fn inside_any(mut self) -> Self {
        self.0.is_malformed = false;
        self
    }
}

impl From<Malformed> for Unwritable {
    fn from(Malformed(problem): Malformed) -> Self {
        Self(Box::new(Inner { path: String::new(), problem: problem.into(), is_malformed: true }))
    }
}

impl fmt::Display for Unwritable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { path, problem, .. } = &*self.0;
        let colon = if path.is_empty() { "" } else { ": " };
        write!(f, "cannot be written as JSON: {path}{colon}{problem}")
    }
}

impl std::error::Error for Unwritable {}
