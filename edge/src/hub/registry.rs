//! The feeds of an edge, found by what they are about and for whom.
//!
//! As long as somebody sits at a feed that goes on, whoever comes by its key sits there too (`tests/models`).

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};

use crate::schema::plan::Plan;

use super::audience::{Audience, is_of_request};
use super::feed::{Feed, Seat};
use super::subject::Subject;
use super::sync::{Mutex, MutexGuard, PoisonError};

/// What a feed is found by.
#[derive(Debug, Clone)]
pub struct Key {
    /// Of which schema: after a reload newcomers get a feed of the new one.
    plan: Arc<Plan>,
    method: Arc<str>,
    request: Bytes,
    audience: Audience,
    /// Name and value of what the backend is told beside the request, in order; no credentials.
    metadata: Vec<(String, Bytes)>,
}

/// The feeds of an edge.
#[derive(Debug, Default)]
pub struct Registry {
    feeds: Mutex<HashMap<Key, Arc<Feed>>>,
}

impl Key {
    pub fn new(subject: &Subject, audience: Audience, metadata: &HeaderMap) -> Self {
        // Whoever comes back to its numbers has another request, but must ask for the same.
        let is_one_subscription = matches!(audience, Audience::Only(..));
        let tells =
            |name: &HeaderName| *name != AUTHORIZATION && !(is_one_subscription && is_of_request(name));
        let told = metadata.iter().filter(|(name, _)| tells(name));
        let mut metadata: Vec<_> =
            told.map(|(name, value)| (name.to_string(), Bytes::copy_from_slice(value.as_bytes()))).collect();
        // Values of one name stay in their order.
        metadata.sort_by(|(one, _), (other, _)| one.cmp(other));
        let method = &subject.method;
        Self {
            plan: Arc::clone(&method.plan),
            method: method.name().into(),
            request: subject.request.clone(),
            audience,
            metadata,
        }
    }

    /// Whether several callers share the feed.
    pub fn is_for_everyone(&self) -> bool {
        self.audience == Audience::Everyone
    }

    /// Whether the feed is that of one subscription, and of no other.
    pub fn is_for_one_subscription(&self) -> bool {
        matches!(self.audience, Audience::Only(..))
    }

    fn parts(&self) -> Parts<'_> {
        (Arc::as_ptr(&self.plan), &self.method, &self.request, &self.audience, &self.metadata)
    }
}

/// What makes a key: plan, method, request, audience and metadata.
type Parts<'a> = (*const Plan, &'a str, &'a [u8], &'a Audience, &'a [(String, Bytes)]);

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}

impl Registry {
    /// A seat at the feed of this key, and whether it is the first: then `make` has made the feed.
    pub fn enter(&self, key: &Key, make: impl FnOnce() -> Arc<Feed>) -> Option<(Seat, bool)> {
        let mut feeds = self.lock();
        let entry = feeds.entry(key.clone());
        if let Entry::Occupied(known) = &entry
            && !known.get().is_over()
            && let Some(seat) = known.get().sit()
        {
            return Some((seat, false));
        }
        let feed = make();
        let seat = feed.sit();
        entry.insert_entry(feed);
        seat.map(|seat| (seat, true))
    }

    /// A seat at a feed that is there, even when it is over.
    pub fn find(&self, key: &Key) -> Option<Seat> {
        self.lock().get(key)?.sit()
    }

    /// Closes an empty feed and forgets it; false when somebody has come.
    pub fn close(&self, key: &Key, feed: &Arc<Feed>) -> bool {
        let mut feeds = self.lock();
        let is_closed = feed.close();
        if is_closed {
            remove(&mut feeds, key, feed);
        }
        is_closed
    }

    /// Forgets a feed, whoever reads it.
    pub fn forget(&self, key: &Key, feed: &Arc<Feed>) {
        remove(&mut self.lock(), key, feed);
    }

    /// How many feeds there are.
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    /// Feeds are only ever locked behind it, never before.
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Arc<Feed>>> {
        self.feeds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn remove(feeds: &mut HashMap<Key, Arc<Feed>>, key: &Key, feed: &Arc<Feed>) {
    if feeds.get(key).is_some_and(|known| Arc::ptr_eq(known, feed)) {
        feeds.remove(key);
    }
}
