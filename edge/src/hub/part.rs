//! A reader's place in one stream: in the ring of its feed, or behind it by a call of its own until it meets the ring.
//!
//! Replay and live are one path: whoever is at a place that the ring knows goes on there, and what a call of its own would
//! have brought next is dropped.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{BoxStream, iter, once, unfold};

use crate::cursor::{self, Place, Tag};
use crate::error::{Code, Error, Result};

use super::feed::{Next, Seat};
use super::item::Entry;
use super::supply::{Line, Supply};

/// What a call of its own brings; nothing more after a failure.
type Private = BoxStream<'static, Result<Option<Entry>>>;

/// A reader's place in one stream.
pub struct Part {
    /// What names the stream to the browser.
    key: Box<str>,
    tag: Tag,
    place: Option<Place>,
    way: Way,
    /// Completes when the reader may not read this stream any more.
    lost: Option<BoxFuture<'static, Error>>,
}

enum Way {
    /// In the ring.
    Ring(Seat),
    /// By a call of its own; the seat keeps the feed.
    Private(Seat, Private),
    Over,
}

impl Part {
    /// A stream that had ended.
    pub fn over(key: &str, tag: Tag) -> Self {
        Self { key: key.into(), tag, place: Some(Place::End), way: Way::Over, lost: None }
    }

    /// In the ring, where the seat is.
    pub fn seated(key: &str, seat: Seat, place: Option<Place>) -> Self {
        let tag = seat.feed().line.subject.tag.clone();
        Self { key: key.into(), tag, place, way: Way::Ring(seat), lost: None }
    }

    /// By a call of its own, until it meets the ring.
    pub fn behind(key: &str, seat: Seat, supply: Supply) -> Self {
        seat.step_aside();
        let place = supply.place().cloned();
        let tag = seat.feed().line.subject.tag.clone();
        Self { key: key.into(), tag, place, way: Way::Private(seat, supplied(supply)), lost: None }
    }

    /// Ends as soon as `lost` completes.
    pub fn as_long_as_not(mut self, lost: BoxFuture<'static, Error>) -> Self {
        self.lost = Some(lost);
        self
    }

    /// What names the stream to the browser.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The cursor token of where it stands.
    pub fn token(&self) -> Option<String> {
        self.place.as_ref().map(|place| cursor::encode(&self.tag, place))
    }

    /// The next item; `None` is a clean end.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Arc<Entry>>>> {
        if let Some(lost) = &mut self.lost
            && let Poll::Ready(error) = lost.as_mut().poll(cx)
        {
            return Poll::Ready(Err(error));
        }
        loop {
            let entry = match std::mem::replace(&mut self.way, Way::Over) {
                Way::Ring(seat) => match seat.poll_next(cx) {
                    Poll::Ready(Next::Entry(entry)) => {
                        self.way = Way::Ring(seat);
                        entry
                    }
                    Poll::Ready(Next::Behind) => {
                        self.way = self.fall_behind(seat)?;
                        continue;
                    }
                    Poll::Ready(Next::End) => return self.end(),
                    Poll::Ready(Next::Failed(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => {
                        self.way = Way::Ring(seat);
                        return Poll::Pending;
                    }
                },
                Way::Private(seat, mut private) => {
                    if self.meets_ring(&seat) {
                        self.way = Way::Ring(seat);
                        continue;
                    }
                    let polled = private.poll_next_unpin(cx);
                    self.way = Way::Private(seat, private);
                    match ready!(polled) {
                        Some(Ok(Some(entry))) => Arc::new(entry),
                        Some(Ok(None)) => return self.end(),
                        Some(Err(error)) => return Poll::Ready(Err(error)),
                        None => return Poll::Ready(Ok(None)),
                    }
                }
                Way::Over => return Poll::Ready(Ok(None)),
            };
            self.place = Some(entry.place.clone());
            return Poll::Ready(Ok(Some(entry)));
        }
    }

    fn end(&mut self) -> Poll<Result<Option<Arc<Entry>>>> {
        (self.way, self.place) = (Way::Over, Some(Place::End));
        Poll::Ready(Ok(None))
    }

    fn meets_ring(&self, seat: &Seat) -> bool {
        let met = self.place.as_ref().is_some_and(|place| seat.join_safely(place).is_some());
        if met {
            // A call that began later than the feed has met it.
            seat.feed().set_live();
        }
        met
    }

    /// What the ring has dropped is asked for again; without a cursor it cannot be.
    fn fall_behind(&self, seat: Seat) -> Result<Way> {
        let line = &seat.feed().line;
        let (Some(Place::After(cursor)), Some(_)) = (&self.place, &line.subject.rule().durable) else {
            let message = "The stream was read too slowly, and has no cursor to continue from.";
            return Err(Error::new(Code::ResourceExhausted, "SLOW_CONSUMER", message));
        };
        let private = caught_up(line.clone(), cursor.clone());
        seat.step_aside();
        Ok(Way::Private(seat, private))
    }
}

impl std::fmt::Debug for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Part").field("tag", &self.tag).field("place", &self.place).finish_non_exhaustive()
    }
}

fn supplied(supply: Supply) -> Private {
    let step = |supply: Option<Supply>| async move {
        let mut supply = supply?;
        let entry = supply.next().await;
        let rest = entry.as_ref().is_ok_and(Option::is_some).then_some(supply);
        Some((entry, rest))
    };
    unfold(Some(supply), step).boxed()
}

/// Opens a call where the reader stands, and gives what it brings.
fn caught_up(line: Line, cursor: Vec<u8>) -> Private {
    let open = async move {
        match Supply::reopen(line, cursor).await {
            Ok((supply, gap)) => iter(gap.map(|gap| Ok(Some(gap)))).chain(supplied(supply)).boxed(),
            Err(error) => iter([Err(error)]).boxed(),
        }
    };
    once(open).flatten().boxed()
}
