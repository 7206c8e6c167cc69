//! Who sets the pace: whoever has read most, and nobody else. A writer that nobody lets go on is a deadlock of the model.

use std::sync::Arc;

use shuttle::future::{self, JoinHandle};

use crate::explore::{any_below, explore};
use crate::hub::feed::Feed;
use crate::hub::supply::entry;
use crate::line::{assert_follow, feed, next, rest, sit};

const LAST: u32 = 5;

/// Writes as the pump does.
fn write(feed: &Arc<Feed>) -> JoinHandle<()> {
    let feed = Arc::clone(feed);
    future::spawn(async move {
        for number in 1..=LAST {
            feed.push(entry(number));
            // Only when the next item is not there yet.
            if any_below(2) == 0 {
                feed.tell();
            }
            feed.room().await;
        }
        feed.end(Ok(()));
    })
}

#[test]
fn a_reader_who_is_alone_misses_nothing() {
    explore(|| {
        let feed = feed(1);
        let seat = sit(&feed);
        let writer = write(&feed);
        assert_eq!(future::block_on(async { rest(&seat).await }), [1, 2, 3, 4, 5]);
        future::block_on(writer).expect("no panic");
    });
}

/// The one who is alone reads nothing: the others come, and leave, and hold up nobody.
#[test]
fn a_second_reader_is_not_held_up_by_the_first() {
    explore(|| {
        let feed = feed(1);
        let stalled = sit(&feed);
        let writer = write(&feed);
        let second = sit(&feed);
        assert_follow(0, &future::block_on(async { rest(&second).await }));
        future::block_on(writer).expect("no panic");
        drop(stalled);
    });
}

#[test]
fn whoever_leaves_holds_up_nobody() {
    explore(|| {
        let feed = feed(1);
        let (leaving, staying) = (sit(&feed), sit(&feed));
        let writer = write(&feed);
        let left = future::spawn(async move {
            for _ in 0..any_below(3) {
                next(&leaving).await;
            }
        });
        assert_follow(0, &future::block_on(async { rest(&staying).await }));
        // It may have been told that it is behind.
        staying.step_aside();
        future::block_on(left).expect("no panic");
        future::block_on(writer).expect("no panic");
    });
}

#[test]
fn whoever_steps_aside_holds_up_nobody() {
    explore(|| {
        let feed = feed(1);
        let seat = sit(&feed);
        let writer = write(&feed);
        seat.step_aside();
        future::block_on(writer).expect("no panic");
    });
}

#[test]
fn whoever_goes_to_the_end_holds_up_nobody() {
    explore(|| {
        let feed = feed(1);
        let seat = sit(&feed);
        let writer = write(&feed);
        seat.join_end();
        future::block_on(async { rest(&seat).await });
        future::block_on(writer).expect("no panic");
    });
}

/// Whoever comes to an empty feed whose ring is full lets it go on.
#[test]
fn whoever_comes_lets_a_full_feed_go_on() {
    explore(|| {
        let feed = feed(2);
        let writer = write(&feed);
        let seat = sit(&feed);
        assert_follow(0, &future::block_on(async { rest(&seat).await }));
        future::block_on(writer).expect("no panic");
    });
}

/// Whoever only looks in has read nothing, so that a slow reader loses nothing by it.
#[test]
fn whoever_only_sits_down_changes_nothing() {
    explore(|| {
        let feed = feed(1);
        let seat = sit(&feed);
        let writer = write(&feed);
        let visitor = {
            let feed = Arc::clone(&feed);
            future::spawn(async move { drop(sit(&feed)) })
        };
        assert_eq!(future::block_on(async { rest(&seat).await }), [1, 2, 3, 4, 5]);
        future::block_on(visitor).expect("no panic");
        future::block_on(writer).expect("no panic");
    });
}

/// Of two who read, one may be told that it is behind, and only because the other is not.
#[test]
fn what_nobody_has_read_is_kept() {
    explore(|| {
        let feed = feed(1);
        let readers = [sit(&feed), sit(&feed)].map(|seat| future::spawn(async move { rest(&seat).await }));
        let writer = write(&feed);
        let read = readers.map(|reader| future::block_on(reader).expect("no panic"));
        assert!(read.iter().any(|numbers| numbers.len() == LAST as usize), "{read:?}");
        future::block_on(writer).expect("no panic");
    });
}
