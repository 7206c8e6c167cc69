//! One thing that a stream delivers.

use crate::cursor::{self, Place, Tag};

use super::event::Event;
use super::outcome::GapReason;

/// What a ring keeps of an item beside its bytes, counted so that the bound on memory holds for tiny events too.
const OVERHEAD: usize = 160;

/// One thing that a stream delivers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    Event(Event),
    /// No event: only the cursor moved.
    Position,
    /// An event that the edge cannot render; its reason.
    Skipped(&'static str),
    /// What follows does not follow on what came before.
    Gap(GapReason),
}

/// An item, and where a stream stands that has delivered it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub item: Item,
    pub place: Place,
}

impl Entry {
    /// Bytes that it counts in a ring.
    pub fn weight(&self) -> usize {
        let event = match &self.item {
            Item::Event(event) => event.size(),
            Item::Position | Item::Skipped(_) | Item::Gap(_) => 0,
        };
        let cursor = match &self.place {
            Place::After(cursor) => cursor.len(),
            Place::End => 0,
        };
        OVERHEAD + event + cursor
    }

    /// The cursor token of its place in the stream of this tag.
    pub fn token(&self, tag: &Tag) -> String {
        cursor::encode(tag, &self.place)
    }
}
