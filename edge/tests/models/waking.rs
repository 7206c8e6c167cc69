//! Whoever waits is woken: a reader that is left waiting is a deadlock of the model.

use std::sync::Arc;

use shuttle::{future, thread};

use crate::error::{Code, Error};
use crate::explore::explore;
use crate::hub::feed::Next;
use crate::hub::supply::entry;
use crate::line::{feed, rest, sit};

#[test]
fn a_reader_is_woken_by_each_item_and_by_the_end() {
    explore(|| {
        let feed = feed(10);
        let readers = [sit(&feed), sit(&feed)].map(|seat| future::spawn(async move { rest(&seat).await }));
        let writer = thread::spawn(move || {
            for number in 1..=3 {
                feed.push(entry(number));
                feed.tell();
            }
            feed.end(Ok(()));
        });
        for reader in readers {
            assert_eq!(future::block_on(reader).expect("no panic"), [1, 2, 3]);
        }
        writer.join().expect("no panic");
    });
}

#[test]
fn a_reader_is_woken_by_a_failure() {
    explore(|| {
        let feed = feed(10);
        let seat = sit(&feed);
        let writer = thread::spawn(move || feed.end(Err(Error::new(Code::DataLoss, "EVENT_LOST", "Lost."))));
        let next = future::block_on(std::future::poll_fn(|cx| seat.poll_next(cx)));
        assert!(matches!(next, Next::Failed(_)), "{next:?}");
        writer.join().expect("no panic");
    });
}

/// Two tasks take turns in asking for one seat, as when a body is moved to another task: the last who asked is woken.
#[test]
fn the_task_that_asked_last_is_woken() {
    explore(|| {
        let feed = feed(10);
        let seat = Arc::new(sit(&feed));
        let earlier = Arc::clone(&seat);
        future::block_on(async move {
            let mut asked = false;
            future::spawn(std::future::poll_fn(move |cx| {
                asked = asked || earlier.poll_next(cx).is_pending();
                std::task::Poll::Ready(asked)
            }))
            .await
            .expect("no panic");
        });
        let writer = thread::spawn(move || feed.end(Ok(())));
        assert!(future::block_on(async { rest(&seat).await }).is_empty());
        writer.join().expect("no panic");
    });
}

#[test]
fn everyone_hears_how_it_began() {
    explore(|| {
        let backend = crate::hub::supply::Backend::default();
        let feed = crate::line::feed_of(crate::line::line(&backend), 10);
        let waiting = [0, 1].map(|_| {
            let feed = Arc::clone(&feed);
            future::spawn(async move { feed.opened().await.is_err() })
        });
        let writer =
            thread::spawn(move || feed.begin(Err(Error::new(Code::Unavailable, "X", "Away.")), false));
        for one in waiting {
            assert!(future::block_on(one).expect("no panic"));
        }
        writer.join().expect("no panic");
    });
}
