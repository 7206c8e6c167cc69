//! Collects what is wrong with declared rules: every mistake is told, none ends the check.

use std::fmt;

use prost_reflect::{MessageDescriptor, MethodDescriptor};

use super::field::FieldPath;

/// One thing that is wrong with the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    pub file: String,
    /// Method or message.
    pub place: String,
    pub problem: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.file, self.place, self.problem)
    }
}

/// Collects the mistakes of one method.
#[derive(Debug)]
pub struct Check<'a> {
    pub(super) method: &'a MethodDescriptor,
    /// Where the rule stands that is checked.
    pub(super) file: String,
    mistakes: &'a mut Vec<Mistake>,
}

impl<'a> Check<'a> {
    pub fn new(method: &'a MethodDescriptor, mistakes: &'a mut Vec<Mistake>) -> Self {
        Self { method, file: method.parent_file().name().to_owned(), mistakes }
    }

    /// The same of a rule that stands in this file.
    pub fn of_rule(method: &'a MethodDescriptor, file: String, mistakes: &'a mut Vec<Mistake>) -> Self {
        Self { method, file, mistakes }
    }

    pub fn mistake(&mut self, problem: impl Into<String>) {
        self.mistake_in(self.file.clone(), problem);
    }

    pub(super) fn mistake_in(&mut self, file: String, problem: impl Into<String>) {
        let place = self.method.full_name().to_owned();
        self.mistakes.push(Mistake { file, place, problem: problem.into() });
    }

    pub(super) fn path(&mut self, rule: &str, message: &MessageDescriptor, text: &str) -> Option<FieldPath> {
        match FieldPath::resolve(message, text) {
            Ok(path) => Some(path),
            Err(problem) => {
                self.mistake(format!("{rule}: {problem}"));
                None
            }
        }
    }
}
