//! Whether each call of a caller had the effect that its answer says, once, and an answer.

use std::collections::HashMap;
use std::time::Duration;

use crate::clock::Moment;
use crate::deeds::{Deed, Deeds, Done};
use crate::history::topics;
use crate::truth::{Document, Truth};
use crate::violation::{Kind, Violation};

use super::Faults;
use super::admission::in_trouble;
use super::conversation::Conversation;

/// A session whose connection is gone is kept for 30 s. What is heard may have been under way for half of it, and a little
/// longer.
const KEPT: Duration = Duration::from_secs(12);

/// Status codes of calls that no backend has carried out: arguments, rights, places.
const REFUSALS: [u64; 6] = [3, 5, 7, 8, 12, 16];
/// Those that say nothing of it.
const UNCERTAIN: [u64; 5] = [1, 2, 4, 13, 14];

/// Every broken promise in what a caller did.
pub(crate) fn check_calls(deeds: &Deeds, truth: &Truth) -> Vec<Violation> {
    let nothing = Document::default();
    let document = deeds.topic.and_then(|topic| truth.documents.get(topics::all()[topic]));
    let document = document.unwrap_or(&nothing);
    let mut checker = CallChecker {
        deeds,
        truth,
        calls: HashMap::new(),
        edge: None,
        heard: None,
        conversation: Conversation::new(truth, document),
        violations: Vec::new(),
    };
    for (index, done) in deeds.all.iter().enumerate() {
        let faults = checker.deed(done);
        checker.report(index, faults);
    }
    let mut faults = checker.conversation.end();
    faults.extend(checker.end());
    checker.report(deeds.all.len().saturating_sub(1), faults);
    checker.violations
}

/// What became of a unary call.
#[derive(Debug, Clone)]
struct Call {
    asked: Moment,
    /// None as long as nothing is known.
    outcome: Option<Outcome>,
}

#[derive(Debug, Clone)]
enum Outcome {
    Applied { cursor: Box<str>, at: Moment },
    Refused,
    Uncertain,
}

struct CallChecker<'a> {
    deeds: &'a Deeds,
    truth: &'a Truth,
    calls: HashMap<u64, Call>,
    /// Where the session is, and since when.
    edge: Option<(usize, Moment)>,
    /// When the session was certainly alive.
    heard: Option<Moment>,
    conversation: Conversation<'a>,
    violations: Vec<Violation>,
}

impl CallChecker<'_> {
    fn deed(&mut self, done: &Done) -> Faults {
        if done.deed.is_heard() {
            self.heard = Some(done.at);
        }
        match &done.deed {
            Deed::Began { edge } => {
                self.edge = Some((*edge, done.at));
                Vec::new()
            }
            Deed::Lost { edge } => self.lost(*edge, done.at),
            Deed::Over { reason } if reason.starts_with("TOKEN_") => Vec::new(),
            Deed::Over { reason } => vec![(Kind::Refusal, format!("the session is over: {reason}"))],
            Deed::Superseded { reason } if reason == "session_superseded" => Vec::new(),
            Deed::Superseded { reason } => {
                vec![(Kind::Malformed, format!("the older connection was told {reason:?}"))]
            }
            Deed::Asked { number } => {
                self.calls.insert(*number, Call { asked: done.at, outcome: None });
                Vec::new()
            }
            Deed::Answered { number, cursor } => {
                self.settle(*number, Outcome::Applied { cursor: cursor.clone(), at: done.at })
            }
            Deed::Failed { number, status, reason } => self.failed(*number, *status, reason, done.at),
            Deed::Unknown { number } => self.settle(*number, Outcome::Uncertain),
            Deed::Malformed { what } | Deed::Believed { what } => vec![(Kind::Malformed, what.clone())],
            Deed::Resumed => Vec::new(),
            Deed::Looked { .. }
            | Deed::Sent { .. }
            | Deed::Committed { .. }
            | Deed::Changed { .. }
            | Deed::Closed { .. }
            | Deed::Forgotten => self.conversation.deed(done),
        }
    }

    /// A session that is unknown must have had a reason to be: the outcome of its calls is so, too.
    fn lost(&mut self, edge: usize, at: Moment) -> Faults {
        let Some((home, since)) = self.edge.take() else { return Vec::new() };
        let died =
            self.truth.deaths.iter().any(|(one, from, to)| *one == home && *from <= at && since <= *to);
        let is_old = self.heard.is_none_or(|heard| at.saturating_sub(heard) > KEPT);
        if edge != home || died || is_old {
            return Vec::new();
        }
        vec![(Kind::FalseUnknown, format!("edge {edge} does not know the session that it gave"))]
    }

    fn failed(&mut self, number: u64, status: u64, reason: &str, at: Moment) -> Faults {
        let asked = self.calls.get(&number).map_or(at, |call| call.asked);
        let is_so = match status {
            16 => matches!(reason, "TOKEN_EXPIRED" | "TOKEN_REVOKED"),
            _ => UNCERTAIN.contains(&status) && in_trouble(self.truth, asked, at),
        };
        let outcome = if REFUSALS.contains(&status) { Outcome::Refused } else { Outcome::Uncertain };
        let mut faults = self.settle(number, outcome);
        if !is_so {
            faults.push((Kind::Refusal, format!("call {number} ended with {status} {reason} without cause")));
        }
        faults
    }

    fn settle(&mut self, number: u64, outcome: Outcome) -> Faults {
        match self.calls.get_mut(&number) {
            Some(call) if call.outcome.is_none() => {
                call.outcome = Some(outcome);
                Vec::new()
            }
            Some(_) => vec![(Kind::Repeat, format!("call {number} has two outcomes"))],
            None => vec![(Kind::Phantom, format!("an outcome of call {number}, which was not made"))],
        }
    }

    /// The calls, held against the log.
    fn end(&self) -> Faults {
        let (Some(topic), mut faults) = (self.deeds.topic, Faults::new()) else { return Vec::new() };
        let mut calls: Vec<_> = self.calls.iter().collect();
        calls.sort_unstable_by_key(|(number, _)| **number);
        for (number, call) in calls {
            let times = self.truth.times(topic, *number);
            if times > 1 {
                faults.push((Kind::Twice, format!("call {number} was carried out {times} times")));
            }
            match &call.outcome {
                None => faults.push((Kind::Stuck, format!("nothing was heard of call {number}"))),
                Some(Outcome::Refused) if times > 0 => {
                    faults.push((Kind::Twice, format!("call {number} was refused, and was carried out")));
                }
                Some(Outcome::Applied { cursor, at }) => {
                    let there = self.truth.place(cursor);
                    let there = there.and_then(|(of, place)| Some((of, self.truth.number(of, place)?)));
                    if there != Some((topic, *number)) && !self.truth.may_be_unseen(call.asked, *at) {
                        let text = format!("call {number} was answered with {cursor}, where {there:?} is");
                        faults.push((Kind::Unapplied, text));
                    }
                }
                Some(Outcome::Refused | Outcome::Uncertain) => {}
            }
        }
        // The first event is not of the caller.
        let strange = self.truth.numbers(topic).into_iter().filter(|number| *number > 1);
        for number in strange.filter(|number| !self.calls.contains_key(number)) {
            faults.push((Kind::Phantom, format!("call {number} was carried out, and was never made")));
        }
        faults
    }

    fn report(&mut self, entry: usize, faults: Faults) {
        self.violations.extend(faults.into_iter().map(|(kind, text)| Violation { kind, entry, text }));
    }
}
