//! Who is let in: nobody sits at a closed feed, and a feed at which somebody sits is not closed.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use shuttle::{future, thread};

use crate::error::{Code, Error};
use crate::explore::explore;
use crate::hub::audience::Audience;
use crate::hub::registry::{Key, Registry};
use crate::hub::supply::Backend;
use crate::line::{feed, line, rest};

#[test]
fn a_feed_with_a_reader_is_not_closed() {
    explore(|| {
        let feed = feed(1);
        let closing = {
            let feed = Arc::clone(&feed);
            thread::spawn(move || feed.close())
        };
        let sitting = [0, 1].map(|_| {
            let feed = Arc::clone(&feed);
            thread::spawn(move || {
                let Some(seat) = feed.sit() else { return true };
                let was_open = !feed.is_over();
                drop(seat);
                assert!(was_open, "somebody sits at a closed feed");
                false
            })
        });
        let is_refused = sitting.map(|one| one.join().expect("no panic"));
        let is_closed = closing.join().expect("no panic");
        assert!(is_closed || is_refused == [false, false], "refused by an open feed");
        // Whoever is let in after it has been closed would read nothing, for ever.
        assert_eq!(feed.sit().is_none(), is_closed);
    });
}

/// The last who leaves is noticed, whoever came meanwhile.
#[test]
fn an_abandoned_feed_is_noticed() {
    explore(|| {
        let feed = feed(1);
        let visitors = [0, 1].map(|_| {
            let feed = Arc::clone(&feed);
            thread::spawn(move || drop(feed.sit()))
        });
        future::block_on(async {
            loop {
                feed.abandoned(Duration::from_secs(1)).await;
                if feed.close() {
                    return;
                }
            }
        });
        for visitor in visitors {
            visitor.join().expect("no panic");
        }
        assert!(feed.sit().is_none());
    });
}

/// As long as somebody sits at a feed that goes on, all who come sit there: whoever closes or forgets another one changes
/// nothing.
#[test]
fn who_comes_finds_those_who_are_there() {
    explore(|| {
        let line = line(&Backend::default());
        let key = Key::new(&line.subject, Audience::Everyone, &HeaderMap::new());
        let registry = Arc::<Registry>::default();
        let (seat, _) = registry.enter(&key, || feed(1)).expect("a seat");
        let first = Arc::clone(seat.feed());
        drop(seat);
        let visitors = [0, 1].map(|_| {
            let (registry, key) = (Arc::clone(&registry), key.clone());
            thread::spawn(move || {
                let (seat, _) = registry.enter(&key, || feed(1)).expect("a seat");
                let (again, is_first) = registry.enter(&key, || feed(1)).expect("a seat");
                if !seat.feed().is_over() {
                    assert!(!is_first && Arc::ptr_eq(seat.feed(), again.feed()), "two feeds of one stream");
                }
            })
        });
        // What its pump does.
        if !registry.close(&key, &first) {
            first.end(Err(Error::new(Code::DataLoss, "EVENT_LOST", "Lost.")));
            registry.forget(&key, &first);
        }
        for visitor in visitors {
            visitor.join().expect("no panic");
        }
    });
}

/// Whoever comes when a feed is over gets one that goes on, the same for all; who still reads what is left of the old one
/// changes nothing.
#[test]
fn who_comes_to_a_feed_that_is_over_gets_another() {
    explore(|| {
        let line = line(&Backend::default());
        let key = Key::new(&line.subject, Audience::Everyone, &HeaderMap::new());
        let registry = Arc::<Registry>::default();
        let (left, _) = registry.enter(&key, || feed(1)).expect("a seat");
        let old = Arc::clone(left.feed());
        old.end(Ok(()));
        let enter = {
            let (registry, key, old) = (Arc::clone(&registry), key.clone(), Arc::clone(&old));
            move || {
                let (seat, is_first) = registry.enter(&key, || feed(1)).expect("a seat");
                assert!(!Arc::ptr_eq(seat.feed(), &old) && !seat.feed().is_over(), "nothing comes any more");
                (seat, is_first)
            }
        };
        let visitors = [0, 1].map(|_| thread::spawn(enter.clone()));
        assert!(future::block_on(async { rest(&left).await }).is_empty());
        drop(left);
        // What the pump of the old one does then.
        assert!(registry.close(&key, &old));
        let [(one, is_first), (other, is_first_too)] = visitors.map(|one| one.join().expect("no panic"));
        assert!(is_first != is_first_too && Arc::ptr_eq(one.feed(), other.feed()), "two feeds of one stream");
        assert!(Arc::ptr_eq(enter().0.feed(), one.feed()), "the new one was forgotten");
    });
}
