//! Holds the history of one subscriber, or the deeds of one caller, against the truth. Pure: no sockets, no clocks.

mod admission;
mod position;
mod conversation;
mod calls;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod call_tests;

use crate::history::{Entry, History, Outcome, Seen, Told, topics};
use crate::truth::Truth;
use crate::violation::{Kind, Violation};

use position::Positions;

pub(crate) use calls::check_calls;

/// Every broken promise in a history.
pub(crate) fn check(history: &History, truth: &Truth) -> Vec<Violation> {
    let mut checker = Checker {
        history,
        truth,
        positions: Positions::new(history, truth),
        asked: 0,
        sent_cursor: false,
        is_new: true,
        violations: Vec::new(),
    };
    for (index, entry) in history.entries.iter().enumerate() {
        checker.entry(index, entry);
    }
    let faults = checker.positions.end();
    checker.report(history.entries.len().saturating_sub(1), faults);
    checker.violations
}

/// What the parts of the checker find: which promise, and how.
type Faults = Vec<(Kind, String)>;

struct Checker<'a> {
    history: &'a History,
    truth: &'a Truth,
    positions: Positions<'a>,
    /// Index of the last question.
    asked: usize,
    sent_cursor: bool,
    /// Nothing was said yet of what became of the cursors.
    is_new: bool,
    violations: Vec<Violation>,
}

impl Checker<'_> {
    fn entry(&mut self, index: usize, entry: &Entry) {
        let faults = match &entry.seen {
            Seen::Asked { cursor, .. } => {
                // A long poll tells of gaps alone, whenever they come.
                let tells_all = self.history.face != "long poll";
                (self.asked, self.sent_cursor, self.is_new) = (index, cursor.is_some(), tells_all);
                if cursor.is_none() {
                    self.positions.forget();
                }
                Vec::new()
            }
            Seen::Opened(streams) => self.opened(entry, streams),
            Seen::Event { topic, number, cursor, token } => {
                let mut faults = self.positions.event(*topic, *number, cursor, entry.at);
                if faults.is_empty() {
                    faults.extend(token.iter().flat_map(|token| self.positions.stands(token)));
                }
                faults.extend(admission::leak(self.history, self.truth, *topic, *number, entry.at));
                faults
            }
            Seen::Stands { token } => self.positions.stands(token),
            Seen::Skipped { reason } => vec![(Kind::Loss, format!("an event was left out: {reason}"))],
            Seen::Malformed { what } => vec![(Kind::Malformed, what.clone())],
            Seen::Cut => Vec::new(),
            Seen::Closed { .. } | Seen::Failed { .. } | Seen::Refused { .. } | Seen::Ended => {
                let asked = self.history.entries[self.asked].at;
                admission::ended(self.history, self.truth, asked, entry)
            }
        };
        self.report(index, faults);
    }

    fn opened(&mut self, entry: &Entry, streams: &[Told]) -> Faults {
        let mut faults = Vec::new();
        let is_new = std::mem::take(&mut self.is_new);
        if self.history.merged {
            for stream in streams {
                faults.extend(self.outcome(entry, &self.history.topics.clone(), &stream.outcome));
            }
            return faults;
        }
        for topic in &self.history.topics {
            let name = topics::all()[*topic];
            let alone = self.history.topics.len() == 1 && streams.len() == 1;
            match streams.iter().find(|stream| alone || stream.key == name) {
                Some(stream) => faults.extend(self.outcome(entry, &[*topic], &stream.outcome)),
                // A stream that is under way tells only what has changed.
                None if !is_new => {}
                None => faults.push((Kind::Malformed, format!("nothing is said of what became of {name}"))),
            }
        }
        faults
    }

    /// What a stream says of its cursor, which stands for one topic or for several.
    fn outcome(&mut self, entry: &Entry, topics: &[usize], outcome: &Outcome) -> Faults {
        match outcome {
            Outcome::Fresh if self.sent_cursor => {
                self.positions.lose(topics);
                vec![(Kind::SilentGap, "FRESH, though a cursor was sent".to_owned())]
            }
            Outcome::Resumed if !self.sent_cursor => {
                vec![(Kind::Malformed, "RESUMED, though no cursor was sent".to_owned())]
            }
            Outcome::Fresh | Outcome::Resumed => Vec::new(),
            Outcome::Gap(reason) => self.positions.gap(topics, reason, entry.at),
        }
    }

    fn report(&mut self, entry: usize, faults: Faults) {
        self.violations.extend(faults.into_iter().map(|(kind, text)| Violation { kind, entry, text }));
    }
}
