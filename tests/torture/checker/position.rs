//! Where a subscriber stands in each of its topics, and what is wrong with its next step.

use std::collections::{BTreeMap, BTreeSet};

use crate::clock::Moment;
use crate::history::{History, topics};
use crate::truth::{Place, Truth};
use crate::violation::Kind;

use super::Faults;

/// Where it stands in one topic.
#[derive(Debug, Clone, Default)]
struct Standing {
    /// The last event it has, or was told to stand after; unknown before the first.
    place: Option<Place>,
    /// A gap was told, and where it ends is not known yet: the place is that of before.
    in_gap: bool,
    /// Events that it passed over.
    missing: BTreeSet<Place>,
}

/// Where a subscriber stands.
pub(super) struct Positions<'a> {
    truth: &'a Truth,
    merged: bool,
    topics: BTreeMap<usize, Standing>,
}

impl<'a> Positions<'a> {
    /// Nothing is known yet.
    pub(super) fn new(history: &History, truth: &'a Truth) -> Self {
        let topics = history.topics.iter().map(|topic| (*topic, Standing::default())).collect();
        Self { truth, merged: history.merged, topics }
    }

    /// The subscriber asks without a cursor: it begins anew, of its own will.
    pub(super) fn forget(&mut self) {
        for standing in self.topics.values_mut() {
            (standing.place, standing.in_gap) = (None, false);
        }
    }

    /// The streams were begun anew without a word: what follows is judged by itself.
    pub(super) fn lose(&mut self, topics: &[usize]) {
        for topic in topics {
            let standing = self.topics.entry(*topic).or_default();
            (standing.place, standing.in_gap) = (None, false);
        }
    }

    /// A gap is told of these topics, which share a cursor.
    pub(super) fn gap(&mut self, topics: &[usize], reason: &str, at: Moment) -> Faults {
        let is_so = match reason {
            // Nothing that is kept may be left out, however slow its reader is.
            "expired" | "overflow" => {
                self.any(topics, |topic, place| self.truth.may_be_trimmed(topic, place, at))
            }
            "epoch_changed" => self.any(topics, |_, place| self.truth.was_restored(place.epoch, at)),
            _ => false,
        };
        let text = format!("GAP {reason} of {}, standing at {}", names(topics), self.describe(topics));
        for topic in topics {
            self.topics.entry(*topic).or_default().in_gap = true;
        }
        if is_so { Vec::new() } else { vec![(Kind::FalseReason, text)] }
    }

    /// Whether it holds for a place of one of the topics; a place that is not known proves nothing, and neither does that
    /// of before a gap whose end is not known.
    fn any(&self, topics: &[usize], holds: impl Fn(usize, Place) -> bool) -> bool {
        let known = |topic| self.topics.get(topic).filter(|one| !one.in_gap).and_then(|one| one.place);
        let places = topics.iter().map(|topic| (*topic, known(topic)));
        places.into_iter().any(|(topic, place)| place.is_none_or(|place| holds(topic, place)))
    }

    /// The stream stands here, without another event.
    pub(super) fn stands(&mut self, token: &str) -> Faults {
        let mut faults = Vec::new();
        for (topic, place, cursor) in self.truth.places(token) {
            let Some(standing) = self.topics.get_mut(&topic) else {
                if !self.merged {
                    faults.push((
                        Kind::WrongCursor,
                        format!("{cursor} is of {}, which it does not read", name(topic)),
                    ));
                }
                continue;
            };
            match standing.place {
                Some(known) if !standing.in_gap => {
                    if place != known {
                        let text = format!(
                            "{cursor} is {}, not {}",
                            told(self.truth, topic, place),
                            told(self.truth, topic, known)
                        );
                        // Whoever resumes from there misses what lies between, or gets it again.
                        faults.push((Kind::WrongCursor, text));
                    }
                }
                Some(known) if place < known => {
                    let text = format!(
                        "the gap ends at {}, before {}",
                        told(self.truth, topic, place),
                        told(self.truth, topic, known)
                    );
                    faults.push((Kind::Repeat, text));
                    (standing.place, standing.in_gap) = (Some(place), false);
                }
                _ => (standing.place, standing.in_gap) = (Some(place), false),
            }
        }
        faults
    }

    /// An event arrives.
    pub(super) fn event(&mut self, topic: usize, number: u64, cursor: &str, at: Moment) -> Faults {
        let truth = self.truth;
        let Some((_, place)) = truth
            .place(cursor)
            .filter(|(of, place)| *of == topic && truth.number(*of, *place) == Some(number))
        else {
            // Callers go on while a log is taken back: what they publish last is lost before it is recorded.
            let is_lost = truth.asked_at(topic, number).is_some_and(|asked| truth.may_be_unseen(asked, at));
            if is_lost && topics::CALLS.contains(&name(topic)) {
                return Vec::new();
            }
            return vec![(
                Kind::Phantom,
                format!("event {number} of {} with the cursor {cursor}", name(topic)),
            )];
        };
        let Some(standing) = self.topics.get_mut(&topic) else {
            return vec![(Kind::Leak, format!("event {number} of {}, which it does not read", name(topic)))];
        };
        let here = told(truth, topic, place);
        let Some(before) = standing.place else {
            standing.place = Some(place);
            return Vec::new();
        };
        if place <= before {
            let kind = if standing.missing.remove(&place) { Kind::Reorder } else { Kind::Repeat };
            return vec![(kind, format!("{here} after {}", told(truth, topic, before)))];
        }
        standing.place = Some(place);
        if std::mem::take(&mut standing.in_gap) {
            return Vec::new();
        }
        if place.epoch != before.epoch {
            let text =
                format!("{here} after {}: the log was begun anew between them", told(truth, topic, before));
            return vec![(Kind::SilentGap, text)];
        }
        let between = before.index + 1..place.index;
        standing.missing.extend(between.map(|index| Place { index, ..place }));
        Vec::new()
    }

    /// The run is over: what is still missing is lost.
    pub(super) fn end(&self) -> Faults {
        let mut faults = Vec::new();
        for (topic, standing) in &self.topics {
            let missing: Vec<_> =
                standing.missing.iter().map(|place| told(self.truth, *topic, *place)).collect();
            if let Some(first) = missing.first() {
                faults.push((
                    Kind::Loss,
                    format!("{} events never came, {first} the first of them", missing.len()),
                ));
            }
            let last = self.truth.last(*topic);
            let unknown = standing.place.is_none() || standing.in_gap;
            if last.is_some() && (unknown || standing.place < last) {
                let text = format!(
                    "{} stands at {}, and the last event is {}",
                    name(*topic),
                    self.describe(&[*topic]),
                    last.map_or_else(String::new, |last| told(self.truth, *topic, last))
                );
                faults.push((Kind::Stuck, text));
            }
        }
        faults
    }

    fn describe(&self, topics: &[usize]) -> String {
        let one = |topic: &usize| match self.topics.get(topic).and_then(|standing| standing.place) {
            Some(place) => told(self.truth, *topic, place),
            None => "an unknown place".to_owned(),
        };
        topics.iter().map(one).collect::<Vec<_>>().join(", ")
    }
}

fn told(truth: &Truth, topic: usize, place: Place) -> String {
    let number = truth.number(topic, place).map_or_else(|| "?".to_owned(), |number| number.to_string());
    format!("{}#{number} (epoch {}, index {})", name(topic), place.epoch, place.index)
}

fn name(topic: usize) -> &'static str {
    topics::all().get(topic).copied().unwrap_or("?")
}

fn names(topics: &[usize]) -> String {
    topics.iter().map(|topic| name(*topic)).collect::<Vec<_>>().join(", ")
}
