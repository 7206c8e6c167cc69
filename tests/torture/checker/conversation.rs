//! Whether both directions of a bidirectional call were exact: every change answered once, in its turn, and heard once.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::clock::Moment;
use crate::deeds::{Deed, Done};
use crate::truth::{Document, Truth};
use crate::violation::Kind;

use super::Faults;
use super::admission::in_trouble;

/// What is known of a document's changes.
pub(super) struct Conversation<'a> {
    truth: &'a Truth,
    document: &'a Document,
    /// When each change was sent.
    sent: BTreeMap<u64, Moment>,
    /// Those that wait for their answer.
    waiting: VecDeque<u64>,
    /// What was answered or heard of: the version, and when.
    known: BTreeMap<u64, (u64, Moment)>,
    /// The last version that was heard of, and when.
    version: Option<(u64, Moment)>,
    /// Versions that were passed over.
    missing: BTreeSet<u64>,
    begun: Moment,
}

impl<'a> Conversation<'a> {
    pub(super) fn new(truth: &'a Truth, document: &'a Document) -> Self {
        Self {
            truth,
            document,
            sent: BTreeMap::new(),
            waiting: VecDeque::new(),
            known: BTreeMap::new(),
            version: None,
            missing: BTreeSet::new(),
            begun: Moment::ZERO,
        }
    }

    pub(super) fn deed(&mut self, done: &Done) -> Faults {
        match &done.deed {
            // It begins anew there, of its own will.
            Deed::Looked { version } => {
                self.version = Some((*version, done.at));
                Vec::new()
            }
            Deed::Sent { change } => {
                if self.waiting.is_empty() {
                    self.begun = done.at;
                }
                self.sent.insert(*change, done.at);
                self.waiting.push_back(*change);
                Vec::new()
            }
            Deed::Committed { change, version } => self.committed(*change, *version, done.at),
            Deed::Changed { version, changes } => self.changed(*version, changes, done.at),
            Deed::Closed { status, reason, unanswered } => {
                self.waiting.clear();
                self.closed(*status, reason, *unanswered, done.at)
            }
            _ => {
                self.waiting.clear();
                Vec::new()
            }
        }
    }

    fn committed(&mut self, change: Option<u64>, version: u64, at: Moment) -> Faults {
        let Some(change) = change else {
            return vec![(Kind::Repeat, format!("an answer, of version {version}, that nothing waited for"))];
        };
        let mut faults = Faults::new();
        let Some(turn) = self.waiting.iter().position(|waiting| *waiting == change) else {
            return vec![(Kind::Phantom, format!("change {change} was answered, which did not wait"))];
        };
        for skipped in self.waiting.drain(..=turn).take(turn) {
            faults.push((Kind::Loss, format!("change {skipped} had no answer before {change} had one")));
        }
        faults.extend(self.learn(change, version, at));
        faults
    }

    fn changed(&mut self, version: u64, changes: &[u64], at: Moment) -> Faults {
        let mut faults = self.step(version, at);
        for change in changes {
            if self.waiting.contains(change) {
                faults.push((Kind::Reorder, format!("change {change} was heard of before its answer")));
            }
            faults.extend(self.learn(*change, version, at));
        }
        faults
    }

    /// Versions come one after the other, but for what a restore has undone.
    fn step(&mut self, version: u64, at: Moment) -> Faults {
        let Some((last, since)) = self.version else {
            self.version = Some((version, at));
            return Vec::new();
        };
        if version <= last && !self.truth.may_be_undone(since, at) {
            let kind = if self.missing.remove(&version) { Kind::Reorder } else { Kind::Repeat };
            return vec![(kind, format!("version {version} after {last}"))];
        }
        if !self.truth.may_be_undone(since, at) {
            self.missing.extend(last + 1..version);
        }
        self.version = Some((version, at));
        Vec::new()
    }

    /// Answer and change must tell of the same version.
    fn learn(&mut self, change: u64, version: u64, at: Moment) -> Faults {
        let Some(sent) = self.sent.get(&change) else {
            return vec![(Kind::Phantom, format!("change {change} was never sent"))];
        };
        match self.known.insert(change, (version, at)) {
            Some((before, known)) if before != version && !self.truth.may_be_undone(*sent, known.max(at)) => {
                vec![(Kind::Reorder, format!("change {change} made version {before}, and {version}"))]
            }
            _ => Vec::new(),
        }
    }

    fn closed(&self, status: u64, reason: &str, unanswered: usize, at: Moment) -> Faults {
        let is_so = match status {
            0 if unanswered > 0 => {
                let text = format!("the call ended well, and {unanswered} changes were not answered");
                return vec![(Kind::Loss, text)];
            }
            0 => true,
            16 => matches!(reason, "TOKEN_EXPIRED" | "TOKEN_REVOKED"),
            // Of a log that was begun anew, or is read from where it has not come to again.
            3 | 5 | 10 | 11 => !self.truth.restores.is_empty(),
            _ => in_trouble(self.truth, self.begun, at),
        };
        let text = || format!("the conversation ended with {status} {reason} without cause");
        if is_so { Vec::new() } else { vec![(Kind::Refusal, text())] }
    }

    /// What was answered is in the document, and everything once.
    pub(super) fn end(&self) -> Faults {
        let mut faults = Faults::new();
        let Document { version, changes } = self.document;
        for (change, (made, known)) in &self.known {
            if !changes.contains(change) && !self.truth.may_be_undone(self.sent[change], *known) {
                let text = format!("change {change} made version {made}, and is not in the document");
                faults.push((Kind::Unapplied, text));
            }
        }
        for change in changes.iter().filter(|change| !self.sent.contains_key(change)) {
            faults.push((Kind::Phantom, format!("change {change} is in the document, and was never sent")));
        }
        if let Some(first) = self.missing.first() {
            let text = format!("{} versions were never heard of, {first} the first", self.missing.len());
            faults.push((Kind::Loss, text));
        }
        let count = changes.len() as u64;
        if *version > 0 && *version != 1 + count {
            let text = format!("{count} changes made {} versions", version - 1);
            faults.push((if *version > 1 + count { Kind::Twice } else { Kind::Unapplied }, text));
        }
        faults
    }
}
