//! The latest items of a feed, bounded in bytes: positions are numbers, and places are found again.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use crate::cursor::Place;

use super::item::{Entry, Item};

/// The latest items of a feed, oldest first. A position is the number of the item that comes next.
///
/// What is older than [`Ring::start`] is gone. The ring knows the place where it starts, so that a reader may join there
/// too.
#[derive(Debug)]
pub struct Ring {
    entries: VecDeque<Arc<Entry>>,
    start: u64,
    base: Option<Place>,
    weight: usize,
    /// Positions by the hash of the place before them. Two places of one hash hide each other, which costs a reader a
    /// call of its own and no more.
    places: HashMap<u64, u64>,
    hasher: RandomState,
}

impl Ring {
    /// `base` is the place before the first item, where it is known.
    pub fn new(base: Option<Place>) -> Self {
        let mut ring = Self {
            entries: VecDeque::new(),
            start: 0,
            base: None,
            weight: 0,
            places: HashMap::new(),
            hasher: RandomState::new(),
        };
        ring.rebase(base);
        ring
    }

    /// The place before the first item has become known.
    pub fn rebase(&mut self, base: Option<Place>) {
        if let Some(place) = &base {
            self.places.insert(self.hasher.hash_one(place), self.start);
        }
        self.base = base;
    }

    /// The oldest position that can be read.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// The place before the oldest item, where it is known.
    pub fn base(&self) -> Option<&Place> {
        self.base.as_ref()
    }

    /// The position of what comes next.
    pub fn end(&self) -> u64 {
        self.start + self.entries.len() as u64
    }

    /// Bytes of all items.
    pub fn weight(&self) -> usize {
        self.weight
    }

    /// The place at the end, where it is known.
    pub fn place(&self) -> Option<&Place> {
        self.entries.back().map(|entry| &entry.place).or(self.base.as_ref())
    }

    /// The item at a position; none at the end, and none that is gone.
    pub fn get(&self, position: u64) -> Option<&Arc<Entry>> {
        self.entries.get(usize::try_from(position.checked_sub(self.start)?).ok()?)
    }

    /// The position of what follows a place.
    pub fn find(&self, place: &Place) -> Option<u64> {
        let position = *self.places.get(&self.hasher.hash_one(place))?;
        (self.before(position) == Some(place)).then_some(position)
    }

    /// How many events follow a position: those that cannot be shown count too.
    pub fn events_from(&self, position: u64) -> u64 {
        let passed = usize::try_from(position.saturating_sub(self.start)).unwrap_or(usize::MAX);
        let is_event = |entry: &&Arc<Entry>| matches!(entry.item, Item::Event(_) | Item::Skipped(_));
        self.entries.iter().skip(passed).filter(is_event).count() as u64
    }

    pub fn push(&mut self, entry: Arc<Entry>) {
        self.weight += entry.weight();
        // What cannot be read has no place of its own. Whoever stands there may not have heard of it: better twice.
        let is_unplaced = matches!(entry.item, Item::Skipped(_)) && self.place() == Some(&entry.place);
        if !is_unplaced {
            self.places.insert(self.hasher.hash_one(&entry.place), self.end() + 1);
        }
        self.entries.push_back(entry);
    }

    /// Drops the oldest items until no more than `weight` is left, but none from `keep` on.
    pub fn trim(&mut self, weight: usize, keep: u64) {
        while self.weight > weight && self.start < keep {
            let Some(entry) = self.entries.pop_front() else { return };
            if let Some(base) = &self.base {
                self.forget(&base.clone(), self.start);
            }
            self.weight -= entry.weight();
            self.start += 1;
            self.base = Some(entry.place.clone());
        }
    }

    fn forget(&mut self, place: &Place, position: u64) {
        let hash = self.hasher.hash_one(place);
        // A later item may have the same place.
        if self.places.get(&hash) == Some(&position) {
            self.places.remove(&hash);
        }
    }

    fn before(&self, position: u64) -> Option<&Place> {
        if position == self.start {
            return self.base.as_ref();
        }
        self.get(position.checked_sub(1)?).map(|entry| &entry.place)
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn place(number: u8) -> Place {
        Place::After(vec![number])
    }

    fn entry(number: u8) -> Arc<Entry> {
        Arc::new(Entry { item: Item::Position, place: place(number) })
    }

    fn notice(number: u8) -> Arc<Entry> {
        Arc::new(Entry { item: Item::Skipped("unreadable"), place: place(number) })
    }

    /// The ring as the list of all places ever, of which the first `start` are gone.
    #[derive(Default)]
    struct Model {
        places: Vec<u8>,
        start: usize,
    }

    #[test]
    fn a_place_is_before_the_notices_that_share_it() {
        let mut ring = Ring::new(Some(place(0)));
        for entry in [entry(1), notice(1), notice(1), entry(4), notice(4)] {
            ring.push(entry);
        }
        let found = |ring: &Ring| [0, 1, 4].map(|number| ring.find(&place(number)));
        assert_eq!(found(&ring), [Some(0), Some(1), Some(4)]);
        for (keep, expected) in [
            (1, [None, Some(1), Some(4)]),
            // What has dropped a notice does not know who has heard of it.
            (2, [None, None, Some(4)]),
            (3, [None, None, Some(4)]),
            (4, [None, None, Some(4)]),
            (5, [None, None, None]),
        ] {
            ring.trim(0, keep);
            assert_eq!(found(&ring), expected, "from {keep} on");
        }
    }

    proptest! {
        #[test]
        fn a_ring_is_the_end_of_a_list(steps in vec((any::<u8>(), 0..6_usize, 0..8_u64), 0..60)) {
            let one = entry(0).weight();
            let mut ring = Ring::new(Some(place(255)));
            let mut model = Model { places: vec![255], start: 0 };
            for (number, kept, behind) in steps {
                ring.push(entry(number));
                model.places.push(number);
                let keep = ring.end().saturating_sub(behind);
                ring.trim(kept * one, keep);
                let end = model.places.len() - 1;
                model.start = model.start.max(end.saturating_sub(kept).min(end.saturating_sub(behind as usize)));
                prop_assert_eq!((ring.start(), ring.end()), (model.start as u64, end as u64));
                prop_assert_eq!(ring.weight(), (end - model.start) * one);
                prop_assert_eq!(ring.place(), Some(&place(model.places[end])));
                for position in 0..=end + 1 {
                    let there = (model.start..end).contains(&position);
                    let found = ring.get(position as u64).map(|entry| entry.place.clone());
                    prop_assert_eq!(found, there.then(|| place(model.places[position + 1])));
                }
                for number in 0..=255 {
                    // The latest item of a place counts.
                    let latest = (model.start..=end).rev().find(|at| model.places[*at] == number);
                    let found = ring.find(&place(number));
                    prop_assert_eq!(found, latest.map(|at| at as u64), "{}", number);
                }
            }
        }
    }
}
