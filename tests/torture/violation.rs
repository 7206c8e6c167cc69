//! A broken promise, and where in whose history it was broken.

use std::collections::BTreeMap;
use std::fmt::Debug;

use crate::clock::Moment;
use crate::deeds::Deeds;
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
    /// A call was carried out more often than its caller was told.
    Twice,
    /// A call was answered, and nothing shows that it was carried out.
    Unapplied,
    /// It was said that nothing is known of a call, though it could have been.
    FalseUnknown,
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

/// Acts shown before a violation.
const ACTS: usize = 8;

/// Tells violations: how many there are of each sort, and of each sort the first at length.
pub(crate) fn tell(told: &[(String, String)], most: usize) -> String {
    let mut sorts: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
    for (sort, story) in told {
        sorts.entry(sort).or_insert((0, story)).0 += 1;
    }
    let counts = sorts.iter().map(|(sort, (count, _))| format!("{count} times {sort}"));
    let stories = sorts.values().map(|(_, story)| (*story).to_owned());
    counts.take(4 * most).chain(stories.take(most)).collect::<Vec<_>>().join("\n")
}

/// Tells a violation with the history around it, and what was done before it.
pub(crate) fn story(violation: &Violation, history: &History, acts: &[(Moment, String)]) -> String {
    let name = format!("{} ({})", history.name, history.face);
    let entries: Vec<_> = history.entries.iter().map(|entry| (entry.at, &entry.seen)).collect();
    tell_one(violation, &name, &entries, acts)
}

/// The same of a caller.
pub(crate) fn story_of_caller(violation: &Violation, deeds: &Deeds, acts: &[(Moment, String)]) -> String {
    let all: Vec<_> = deeds.all.iter().map(|done| (done.at, &done.deed)).collect();
    tell_one(violation, &deeds.name, &all, acts)
}

fn tell_one<T: Debug>(
    violation: &Violation,
    name: &str,
    entries: &[(Moment, T)],
    acts: &[(Moment, String)],
) -> String {
    let Violation { kind, entry, text } = violation;
    let mut lines = vec![format!("{kind:?} at {name}: {text}")];
    let at = entries.get(*entry).map_or(Moment::MAX, |(at, _)| *at);
    let before: Vec<_> = acts.iter().filter(|(time, _)| *time <= at).collect();
    for (time, act) in &before[before.len().saturating_sub(ACTS)..] {
        lines.push(format!("- {} {act}", seconds(*time)));
    }
    let from = entry.saturating_sub(AROUND.0);
    for (index, (at, seen)) in entries.iter().enumerate().skip(from).take(AROUND.0 + AROUND.1) {
        let mark = if index == *entry { '>' } else { ' ' };
        lines.push(format!("{mark} {} {seen:?}", seconds(*at)));
    }
    lines.join("\n") + "\n"
}

fn seconds(moment: Moment) -> String {
    format!("{:>9.3} s ", moment.as_secs_f64())
}
