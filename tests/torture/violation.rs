//! A broken promise, and where in whose history it was broken.

use std::fmt;

use crate::history::History;

/// Which promise was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// An event is missing, and nobody said so.
    Loss,
    /// An event came twice.
    Repeat,
    /// An event came after a later one.
    Reorder,
    /// The stream was begun anew, and it was not said that events may be missing.
    SilentGap,
    /// A gap was told for a reason that is not so.
    FalseReason,
    /// An event that the log never had.
    Phantom,
    /// A cursor that is not of the place where the subscriber stands.
    WrongCursor,
    /// Nothing came any more, though there was something to come.
    Stuck,
    /// An event for callers who might not read it.
    Leak,
    /// Refused or failed without a reason that is so.
    Refusal,
    /// Against the contract of the face.
    Malformed,
}

/// A broken promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) kind: Kind,
    /// Index of the entry that shows it.
    pub(crate) entry: usize,
    pub(crate) text: String,
}

/// Entries shown around a violation, before and after.
const AROUND: (usize, usize) = (12, 4);

/// Tells a violation with the history around it.
pub(crate) struct Story<'a>(pub(crate) &'a History, pub(crate) &'a Violation);

impl fmt::Display for Story<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(history, violation) = self;
        let Violation { kind, entry, text } = violation;
        writeln!(f, "{kind:?} at {} ({}): {text}", history.name, history.face)?;
        let from = entry.saturating_sub(AROUND.0);
        let shown = history.entries.iter().enumerate().skip(from).take(AROUND.0 + AROUND.1);
        for (index, seen) in shown {
            let mark = if index == *entry { '>' } else { ' ' };
            writeln!(f, "{mark} {:>9.3} s  {:?}", seen.at.as_secs_f64(), seen.seen)?;
        }
        Ok(())
    }
}
