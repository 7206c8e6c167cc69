//! What a reader is given: every item from its place on, in order, until it is told that it is behind.

use shuttle::{future, thread};

use crate::explore::explore;
use crate::hub::supply::{entry, place};
use crate::line::{assert_follow, feed, next, rest, sit};

const LAST: u32 = 6;

/// Writes as fast as it can, without waiting for anybody.
fn write(feed: std::sync::Arc<crate::hub::feed::Feed>) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        for number in 1..=LAST {
            feed.push(entry(number));
            feed.tell();
        }
        feed.end(Ok(()));
    })
}

#[test]
fn nothing_is_skipped_and_nothing_comes_twice() {
    explore(|| {
        let feed = feed(2);
        let readers = [sit(&feed), sit(&feed)].map(|seat| future::spawn(async move { rest(&seat).await }));
        let writer = write(feed);
        for reader in readers {
            assert_follow(0, &future::block_on(reader).expect("no panic"));
        }
        writer.join().expect("no panic");
    });
}

/// A place that is found is one after which everything is there, or it is told that it is not.
#[test]
fn what_follows_a_joined_place_is_given() {
    explore(|| {
        let feed = feed(2);
        let others = sit(&feed);
        let writer = write(feed.clone());
        let joining = [0, 2, 4].map(|after| {
            let feed = feed.clone();
            future::spawn(async move {
                let seat = sit(&feed);
                if seat.join(&place(after)).is_some() {
                    assert_follow(after, &rest(&seat).await);
                }
            })
        });
        for one in joining {
            future::block_on(one).expect("no panic");
        }
        writer.join().expect("no panic");
        drop(others);
    });
}

/// A reader that steps aside sees the rest by itself, and comes back where it stands then.
#[test]
fn whoever_steps_aside_comes_back_to_what_it_has_not_seen() {
    explore(|| {
        let feed = feed(3);
        let seat = sit(&feed);
        let writer = write(feed.clone());
        let reader = future::spawn(async move {
            let mut seen = 0;
            while seen < LAST {
                match next(&seat).await {
                    Some(number) => {
                        assert_eq!(number, seen + 1);
                        seen = number;
                        if number != 2 {
                            continue;
                        }
                    }
                    None if seat.feed().is_over() && seen == LAST => return,
                    None => {}
                }
                seat.step_aside();
                // What its own call brings, until it meets the ring; that comes to an end with the stream.
                while seat.join_safely(&place(seen)).is_none() {
                    if seen == LAST {
                        return;
                    }
                    seen += 1;
                    shuttle::future::yield_now().await;
                }
            }
        });
        future::block_on(reader).expect("no panic");
        writer.join().expect("no panic");
    });
}

/// The place that a newcomer is told is the one before the first item that it is given.
#[test]
fn whoever_joins_the_end_is_told_where_that_is() {
    explore(|| {
        let feed = feed(10);
        let writer = write(feed.clone());
        let seat = sit(&feed);
        let told = seat.join_end().expect("a place");
        let numbers = future::block_on(async { rest(&seat).await });
        let before = LAST - numbers.len() as u32;
        assert_eq!(told, place(before));
        assert_follow(before, &numbers);
        writer.join().expect("no panic");
    });
}
