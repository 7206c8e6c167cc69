//! Who is let in: nobody sits at a closed feed, and a feed at which somebody sits is not closed.

use std::sync::Arc;
use std::time::Duration;

use shuttle::{future, thread};

use crate::explore::explore;
use crate::line::feed;

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
