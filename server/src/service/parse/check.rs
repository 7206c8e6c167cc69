//! Collects what is wrong with a request.

use crate::auth::{PASSWORD_RULE, keeps_password_rule};
use crate::error::{Error, Result, Violation};
use crate::log::{Log, Start};
use crate::model::Seq;

/// Violations of one request that are told: more help nobody, and cost the server what the caller likes.
const MAX_VIOLATIONS: usize = 20;

const CURSOR_RULE: &str = "is not a cursor this server has given; leave it out to begin at now";

/// Collects violations; [`Check::finish`] tells them all at once.
#[derive(Debug, Default)]
pub(super) struct Check {
    violations: Vec<Violation>,
    /// The field that holds no cursor where one belongs.
    bad_cursor: Option<String>,
}

impl Check {
    /// Notes what a field must hold, unless it does.
    pub(super) fn require(&mut self, holds: bool, field: &str, description: &str) {
        if !holds && self.violations.len() < MAX_VIOLATIONS {
            self.violations.push(Violation::new(field, description));
        }
    }

    /// Takes a value, or notes what the field must hold.
    pub(super) fn take<T: Default>(&mut self, value: Option<T>, field: &str, description: &str) -> T {
        self.require(value.is_some(), field, description);
        value.unwrap_or_default()
    }

    /// The items that are looked at one by one: those that the field may have; more of them are one violation.
    pub(super) fn at_most<'a, T>(&mut self, items: &'a [T], max: usize, field: &str, rule: &str) -> &'a [T] {
        self.require(items.len() <= max, field, rule);
        &items[..items.len().min(max)]
    }

    /// Tells all violations.
    pub(super) fn finish(mut self) -> Result<()> {
        match self.bad_cursor.take() {
            Some(field) if self.violations.is_empty() => return Err(Error::CursorInvalid(field)),
            Some(field) => self.require(false, &field, CURSOR_RULE),
            None => {}
        }
        if self.violations.is_empty() { Ok(()) } else { Err(Error::Invalid(self.violations)) }
    }

    /// The position of a cursor. An error within is of the log and not of the request: it is no longer there.
    pub(super) fn position(&mut self, log: &Log, cursor: &str, field: &str) -> Result<Seq> {
        match log.position(cursor, field) {
            Err(Error::CursorInvalid(field)) => {
                self.bad_cursor = Some(field);
                Ok(0)
            }
            position => position,
        }
    }

    /// Where a stream begins: after the cursor, or with so many of the latest events when there is none. An error
    /// within is of the log and not of the request.
    pub(super) fn start(&mut self, log: &Log, cursor: &str, last: usize) -> Result<Start> {
        match cursor {
            "" => Ok(Start::Latest(last)),
            cursor => self.position(log, cursor, "cursor").map(Start::Position),
        }
    }

    /// A part that has so many bytes, encoded, of which it may have at most `limit`.
    pub(super) fn encoded(&mut self, bytes: usize, limit: usize, field: &str) {
        self.require(bytes <= limit, field, &format!("must have at most {limit} bytes as protobuf"));
    }

    /// A text for people of a number of characters, without control characters.
    pub(super) fn text(&mut self, text: &str, field: &str, min: usize, max: usize) {
        let length = text.chars().count();
        let fits = (min..=max).contains(&length) && !text.chars().any(char::is_control);
        self.require(fits, field, &format!("must have {min}-{max} characters and no control characters"));
    }

    /// A login name.
    pub(super) fn username(&mut self, name: &str, field: &str) {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
        let fits = (1..=64).contains(&name.len()) && name.bytes().all(allowed);
        self.require(fits, field, "must match [a-z0-9._-]{1,64}");
    }

    /// A password somebody chooses.
    pub(super) fn new_password(&mut self, password: &str, field: &str) {
        self.require(keeps_password_rule(password), field, PASSWORD_RULE);
    }

    /// The name of a topic.
    pub(super) fn topic_name(&mut self, name: &str, field: &str) {
        self.id(name, field);
    }

    /// An id that callers choose.
    pub(super) fn id(&mut self, id: &str, field: &str) {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte);
        // Browsers take `.` and `..` out of paths, percent-encoded or not.
        let fits = (1..=128).contains(&id.len()) && id.bytes().all(allowed) && !matches!(id, "." | "..");
        self.require(fits, field, "must match [A-Za-z0-9._~-]{1,128}, and not be `.` or `..`");
    }
}
