//! How many of something each of many holders has.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

/// Counts by holder; only those who hold something are remembered.
#[derive(Debug, Default)]
pub struct Places {
    // By hash: what is held must be small, and two holders in 2^64 may share a count.
    taken: Mutex<HashMap<u64, usize>>,
    hasher: RandomState,
}

/// One place, given back when it is dropped.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    holder: u64,
}

impl Places {
    /// A place for this holder, unless it has so many already.
    pub fn take(self: &Arc<Self>, holder: &impl Hash, most: usize) -> Option<Place> {
        let holder = self.hasher.hash_one(holder);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.get(&holder).copied().unwrap_or_default();
        if count >= most {
            return None;
        }
        taken.insert(holder, count + 1);
        Some(Place { places: Arc::clone(self), holder })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        match taken.get_mut(&self.holder) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(taken.remove(&self.holder)),
        }
        // A herd has left.
        if taken.capacity() > 1024 && taken.len() < taken.capacity() / 8 {
            taken.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_come_back_and_nothing_is_left_of_those_who_leave() {
        let places = Arc::new(Places::default());
        let held: Vec<Place> = (0..3).map(|_| places.take(&"alice", 3).unwrap()).collect();
        assert!(places.take(&"alice", 3).is_none());
        assert!(places.take(&"bob", 3).is_some(), "each has its own");
        drop(held);
        assert!(places.taken.lock().unwrap().is_empty());
        assert!(places.take(&"alice", 1).is_some());
        assert!(places.take(&"alice", 0).is_none());
    }
}
