//! A feed of a few events, and who writes and reads it.

use std::future::poll_fn;
use std::sync::{Arc, LazyLock};

use arc_swap::ArcSwap;
use http::HeaderMap;
use lastmile_edge::hub::Outcome;

use crate::hub::budget::Budget;
use crate::hub::feed::{Feed, Next, Opened, Seat};
use crate::hub::subject::Subject;
use crate::hub::supply::{Backend, Line, entry, number_of, place};
use crate::shop::method;
use crate::upstream::Call;

/// Of a topic; made once, for that is slow.
static SUBJECT: LazyLock<Subject> = LazyLock::new(|| Subject::new(&method("Streams/Watch"), Vec::new()));

/// What comes from this backend.
pub(crate) fn line(backend: &Backend) -> Line {
    let call = Call {
        path: SUBJECT.method.path.clone(),
        metadata: HeaderMap::new(),
        deadline: None,
        plan: None,
        max_message: 1 << 20,
    };
    let call = Arc::new(ArcSwap::from_pointee(call));
    Line { call, subject: SUBJECT.clone(), backend: backend.clone(), counts: Arc::default() }
}

/// A feed whose ring holds so many events.
pub(crate) fn feed_of(line: Line, kept: usize) -> Arc<Feed> {
    Feed::new(line, kept * entry(0).weight(), &Budget::new(1 << 30))
}

/// The same, which has begun before event 1, and is written by the model.
pub(crate) fn feed(kept: usize) -> Arc<Feed> {
    let feed = feed_of(line(&Backend::default()), kept);
    feed.begin(Ok(Opened { outcome: Outcome::Fresh, place: Some(place(0)) }), true);
    feed
}

/// A seat at a feed that lets everyone in.
pub(crate) fn sit(feed: &Arc<Feed>) -> Seat {
    feed.sit().expect("a seat")
}

/// The number of the next event; none when there is none in the ring for this seat.
pub(crate) async fn next(seat: &Seat) -> Option<u32> {
    match poll_fn(|cx| seat.poll_next(cx)).await {
        Next::Entry(entry) => Some(number_of(&entry)),
        Next::Behind | Next::End => None,
        Next::Failed(error) => panic!("{error}"),
    }
}

/// All events that the seat is given until there is none.
pub(crate) async fn rest(seat: &Seat) -> Vec<u32> {
    let mut numbers = Vec::new();
    while let Some(number) = next(seat).await {
        numbers.push(number);
    }
    numbers
}

/// Each follows on the one before, and the first on `after`.
pub(crate) fn assert_follow(after: u32, numbers: &[u32]) {
    let expected: Vec<u32> = (after + 1..).take(numbers.len()).collect();
    assert_eq!(numbers, expected);
}
