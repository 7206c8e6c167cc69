//! What really happened: the log as the core has it, and what the run did to it.

use std::collections::{BTreeSet, HashMap};

use crate::clock::Moment;
use crate::history::topics;

/// A place in the log of one topic: how often the log was begun anew, and the number of the event in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    pub(crate) epoch: usize,
    pub(crate) index: usize,
}

/// From when to when the log was away while it was taken back to a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Restore {
    /// When the backup was begun: what was done before is in it.
    pub(crate) since: Moment,
    /// When the log was read for the last time: what was done later may be lost unseen.
    pub(crate) read: Moment,
    pub(crate) begun: Moment,
    pub(crate) done: Moment,
}

/// A time during which some callers may not read a topic; each end lies between two moments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Denial {
    pub(crate) topic: usize,
    pub(crate) who: Who,
    pub(crate) taking: Moment,
    pub(crate) taken: Moment,
    /// Still taken when absent.
    pub(crate) returning: Option<Moment>,
    pub(crate) returned: Option<Moment>,
}

/// Whom a denial concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Who {
    /// Everybody but administrators.
    Users,
    /// One user.
    User(String),
}

/// A caller's document as the core has it in the end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Document {
    pub(crate) version: u64,
    /// The changes that are in it; its first version has none.
    pub(crate) changes: BTreeSet<u64>,
}

/// The oldest event that was kept, as the core said between two moments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Kept {
    asked: Moment,
    oldest: usize,
}

/// One topic in one epoch.
#[derive(Debug, Clone, Default)]
struct Log {
    numbers: Vec<u64>,
    /// In the order of time.
    kept: Vec<Kept>,
}

/// All that is known.
#[derive(Debug, Clone)]
pub(crate) struct Truth {
    topics: usize,
    /// By epoch, then by topic.
    logs: Vec<Vec<Log>>,
    places: HashMap<Box<str>, (usize, Place)>,
    /// When each event was first asked to be published.
    asked: HashMap<(usize, u64), Moment>,
    acknowledged: Vec<(usize, u64, Box<str>)>,
    pub(crate) restores: Vec<Restore>,
    pub(crate) denials: Vec<Denial>,
    /// Which edge was gone with all its sessions, from when to when.
    pub(crate) deaths: Vec<(usize, Moment, Moment)>,
    pub(crate) documents: HashMap<String, Document>,
    /// From when to when the core answered nobody, or late, though it was asked past all faults.
    pub(crate) slow: Vec<(Moment, Moment)>,
    /// What was done to processes and rights, for whoever reads of a violation.
    pub(crate) acts: Vec<(Moment, String)>,
    /// When all faults were over.
    pub(crate) calm: Option<Moment>,
}

impl Truth {
    /// Nothing has happened to this many topics.
    pub(crate) fn new(topics: usize) -> Self {
        Self {
            topics,
            logs: vec![vec![Log::default(); topics]],
            places: HashMap::new(),
            asked: HashMap::new(),
            acknowledged: Vec::new(),
            restores: Vec::new(),
            denials: Vec::new(),
            deaths: Vec::new(),
            documents: HashMap::new(),
            slow: Vec::new(),
            acts: Vec::new(),
            calm: None,
        }
    }

    /// The current epoch's number.
    pub(crate) fn epoch(&self) -> usize {
        self.logs.len() - 1
    }

    /// The log is begun anew.
    pub(crate) fn begin_epoch(&mut self, restore: Restore) {
        self.restores.push(restore);
        self.logs.push(vec![Log::default(); self.topics]);
    }

    /// The next event of a topic, as the log has it.
    ///
    /// # Errors
    /// When the log has it already.
    pub(crate) fn record(&mut self, topic: usize, number: u64, cursor: &str) -> Result<(), String> {
        let epoch = self.epoch();
        let log = &mut self.logs[epoch][topic];
        let place = Place { epoch, index: log.numbers.len() };
        log.numbers.push(number);
        match self.places.insert(cursor.into(), (topic, place)) {
            None => Ok(()),
            Some(other) => {
                Err(format!("topic {topic}, event {number}: the cursor {cursor} is also {other:?}"))
            }
        }
    }

    /// Somebody begins to publish an event.
    pub(crate) fn ask(&mut self, topic: usize, number: u64, at: Moment) {
        self.asked.insert((topic, number), at);
    }

    /// The core has answered that an event is in the log.
    pub(crate) fn acknowledge(&mut self, topic: usize, number: u64, cursor: &str) {
        self.acknowledged.push((topic, number, cursor.into()));
    }

    /// The core said which event is the oldest one kept; without one, the log is empty.
    pub(crate) fn keep(&mut self, topic: usize, asked: Moment, oldest: Option<&str>) {
        let epoch = self.epoch();
        let place = oldest.and_then(|cursor| self.places.get(cursor));
        let index = match place {
            Some((of, place)) if *of == topic && place.epoch == epoch => place.index,
            // Published since the last look at the log.
            _ => return,
        };
        let kept = &mut self.logs[epoch][topic].kept;
        if kept
            .last()
            .is_none_or(|last| last.oldest < index || asked.saturating_sub(last.asked).as_millis() > 500)
        {
            kept.push(Kept { asked, oldest: index });
        }
    }

    /// Which topic and place a cursor stands for.
    pub(crate) fn place(&self, cursor: &str) -> Option<(usize, Place)> {
        self.places.get(cursor).copied()
    }

    /// The topics and places that a cursor token, or a cursor alone, stands for.
    pub(crate) fn places<'a>(&'a self, token: &'a str) -> impl Iterator<Item = (usize, Place, &'a str)> + 'a {
        token.split('~').filter_map(|part| {
            let cursor =
                part.strip_prefix("lm1.").map_or(part, |rest| rest.split_once('.').unwrap_or_default().1);
            self.place(cursor).map(|(topic, place)| (topic, place, cursor))
        })
    }

    /// The number of the event at a place.
    pub(crate) fn number(&self, topic: usize, place: Place) -> Option<u64> {
        self.logs.get(place.epoch)?[topic].numbers.get(place.index).copied()
    }

    /// How often each epoch has an event, at most; and whether any has it.
    pub(crate) fn times(&self, topic: usize, number: u64) -> usize {
        let times = |logs: &Vec<Log>| logs[topic].numbers.iter().filter(|one| **one == number).count();
        self.logs.iter().map(times).max().unwrap_or_default()
    }

    /// All that was ever in the log of a topic.
    pub(crate) fn numbers(&self, topic: usize) -> BTreeSet<u64> {
        self.logs.iter().flat_map(|logs| logs[topic].numbers.iter().copied()).collect()
    }

    /// Whether what was asked at one moment and known to be done at another may be gone with a restore.
    pub(crate) fn may_be_undone(&self, asked: Moment, known: Moment) -> bool {
        self.restores.iter().any(|restore| asked <= restore.done && known >= restore.since)
    }

    /// The same, without a trace in the log.
    pub(crate) fn may_be_unseen(&self, asked: Moment, known: Moment) -> bool {
        self.restores.iter().any(|restore| asked <= restore.done && known >= restore.read)
    }

    /// The place of the last event of a topic.
    pub(crate) fn last(&self, topic: usize) -> Option<Place> {
        let epoch = self.epoch();
        let count = self.logs[epoch][topic].numbers.len();
        Some(Place { epoch, index: count.checked_sub(1)? })
    }

    /// How many events were acknowledged.
    pub(crate) fn published(&self) -> usize {
        self.acknowledged.len()
    }

    /// When an event was first asked to be published.
    pub(crate) fn asked_at(&self, topic: usize, number: u64) -> Option<Moment> {
        self.asked.get(&(topic, number)).copied()
    }

    /// Whether the event after a place may have been deleted at `at`: the core kept only later ones soon after.
    pub(crate) fn may_be_trimmed(&self, topic: usize, place: Place, at: Moment) -> bool {
        let log = &self.logs[place.epoch][topic];
        let later = log.kept.iter().find(|kept| kept.asked >= at).or(log.kept.last());
        later.is_some_and(|kept| kept.oldest > place.index + 1)
    }

    /// Whether the log was begun anew after this epoch, by `at`.
    pub(crate) fn was_restored(&self, epoch: usize, at: Moment) -> bool {
        self.restores.get(epoch).is_some_and(|restore| restore.begun <= at)
    }

    /// Whether the core answered late at a time between these moments.
    pub(crate) fn was_slow(&self, from: Moment, to: Moment) -> bool {
        self.slow.iter().any(|slow| slow.0 <= to && from <= slow.1)
    }

    /// The denials that concern a user's reading of these topics.
    pub(crate) fn denials<'a>(
        &'a self,
        user: Option<&'a str>,
        topics: &'a [usize],
    ) -> impl Iterator<Item = &'a Denial> {
        self.denials.iter().filter(move |denial| {
            let concerned = match &denial.who {
                Who::Users => user != Some("admin"),
                Who::User(name) => user == Some(name),
            };
            concerned && topics.contains(&denial.topic)
        })
    }

    /// What was acknowledged and is not in the log where it was said to be, or is in it twice.
    pub(crate) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for (topic, number, cursor) in &self.acknowledged {
            let there = self.place(cursor).and_then(|(of, place)| Some((of, self.number(of, place)?)));
            if there != Some((*topic, *number)) {
                faults.push(format!("topic {topic}, event {number} was acknowledged; there is {there:?}"));
            }
        }
        for (epoch, logs) in self.logs.iter().enumerate() {
            // Callers do not wait for what has become of a call before they make the next.
            let ordered = logs.iter().enumerate().take(self.topics - topics::CALLS.len());
            for (topic, log) in ordered {
                if let Some(pair) = log.numbers.windows(2).find(|pair| pair[0] >= pair[1]) {
                    faults
                        .push(format!("epoch {epoch}, topic {topic}: event {} before {}", pair[0], pair[1]));
                }
            }
        }
        faults
    }
}
