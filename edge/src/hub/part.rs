//! A reader's place in one stream: in the ring of its feed, or behind it by a call of its own until it meets the ring.
//!
//! Replay and live are one path: whoever is at a place that the ring knows goes on there, and what a call of its own would
//! have brought next is dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use arc_swap::ArcSwap;
use futures_util::future::BoxFuture;
use futures_util::stream::{iter, once, unfold};
use futures_util::{FutureExt, StreamExt};

use crate::cursor::{self, Place, Tag};
use crate::error::{Code, Error, Result};
use crate::identity::Over;
use crate::upstream::Call;

use super::admission::Admission;
use super::feed::{Feed, Next, Seat};
use super::item::Entry;
use super::private::{Brought, Items, Private};
use super::rare::Rare;
use super::supply::{Line, Supply};

/// A reader's place in one stream.
pub struct Part {
    /// What names the stream to the browser.
    key: Box<str>,
    tag: Tag,
    place: Option<Place>,
    way: Way,
    /// The reader's own call; none where the edge calls for all.
    own: Option<Arc<Call>>,
    admitted: Option<Admitted>,
}

/// How long a reader may read a stream that it was admitted to.
struct Admitted {
    /// Completes when it may not any more.
    lost: BoxFuture<'static, Error>,
    /// Set while that is being asked.
    doubt: Arc<AtomicBool>,
    rare: Rare,
}

enum Way {
    /// In the ring.
    Ring(Seat),
    /// By a call of its own, until that meets the ring; the seat keeps the feed.
    Private {
        seat: Seat,
        private: Private,
        begins_now: bool,
    },
    Over,
}

impl Part {
    /// A stream that had ended.
    pub fn over(key: &str, tag: Tag) -> Self {
        Self { key: key.into(), tag, place: Some(Place::End), way: Way::Over, own: None, admitted: None }
    }

    /// In the ring, where the seat is.
    pub fn seated(key: &str, seat: Seat, place: Option<Place>) -> Self {
        let tag = seat.feed().line.subject.tag.clone();
        Self { key: key.into(), tag, place, way: Way::Ring(seat), own: None, admitted: None }
    }

    /// By a call of its own, until it meets the ring.
    ///
    /// `begins_now`: the call brings only what happens from now on.
    pub fn behind(key: &str, seat: Seat, supply: Supply, begins_now: bool) -> Self {
        seat.step_aside();
        let place = supply.place().cloned();
        let tag = seat.feed().line.subject.tag.clone();
        let private = Private::new(supplied(supply), place.is_some());
        let way = Way::Private { seat, private, begins_now };
        Self { key: key.into(), tag, place, way, own: None, admitted: None }
    }

    /// Was opened with this call.
    pub fn by(mut self, own: Option<Arc<Call>>) -> Self {
        self.own = own;
        self
    }

    /// Ends when the reader may not read the stream any more.
    pub fn admitted(mut self, admission: Option<Admission>) -> Self {
        self.admitted = admission.map(|admission| {
            let doubt = Arc::default();
            Admitted { lost: admission.lost(Arc::clone(&doubt)).boxed(), doubt, rare: Rare::default() }
        });
        self
    }

    /// What names the stream to the browser.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The feed at which it has a seat.
    pub fn feed(&self) -> Option<&Arc<Feed>> {
        match &self.way {
            Way::Ring(seat) | Way::Private { seat, .. } => Some(seat.feed()),
            Way::Over => None,
        }
    }

    /// Whether it reads the ring, and no call of its own.
    pub fn is_in_ring(&self) -> bool {
        matches!(self.way, Way::Ring(_))
    }

    /// The cursor token of where it stands.
    pub fn token(&self) -> Option<String> {
        self.place.as_ref().map(|place| cursor::encode(&self.tag, place))
    }

    /// The next item; `None` is a clean end.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Arc<Entry>>>> {
        if let Some(Admitted { lost, doubt, rare }) = &mut self.admitted {
            if let Some(waker) = rare.due(cx)
                && let Poll::Ready(error) = lost.as_mut().poll(&mut Context::from_waker(&waker))
            {
                return Poll::Ready(Err(error));
            }
            if doubt.load(Ordering::Relaxed) {
                return Poll::Pending;
            }
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
                    Poll::Ready(Next::Failed(error)) => return Poll::Ready(Err(self.blame(error, &seat))),
                    Poll::Pending => {
                        self.way = Way::Ring(seat);
                        return Poll::Pending;
                    }
                },
                Way::Private { seat, private, begins_now } => {
                    let polled = private.poll_next(cx);
                    if self.meets_ring(&seat) {
                        if begins_now && polled.is_pending() {
                            // It has nothing more than the ring.
                            seat.feed().set_live();
                        }
                        self.way = Way::Ring(seat);
                        continue;
                    }
                    let entry = match polled {
                        Poll::Ready(Brought::Entry(entry)) => Some(Arc::new(entry)),
                        Poll::Ready(Brought::End) => return self.end(),
                        Poll::Ready(Brought::Failed(error)) => return Poll::Ready(Err(error)),
                        Poll::Ready(Brought::GivenUp) => {
                            self.way = self.fall_behind(seat)?;
                            continue;
                        }
                        Poll::Pending => None,
                    };
                    self.way = Way::Private { seat, private, begins_now };
                    match entry {
                        Some(entry) => entry,
                        None => return Poll::Pending,
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

    /// Whether the ring knows the place: then what the call of its own has brought since is there too, or will be.
    fn meets_ring(&self, seat: &Seat) -> bool {
        self.place.as_ref().is_some_and(|place| seat.join_safely(place).is_some())
    }

    /// A credential that the backend refused may be another's: whoever has a good one comes back with it.
    fn blame(&self, error: Error, seat: &Seat) -> Error {
        // With a cursor, the one that lasts longest was tried: when it has expired, so have all.
        let is_durable = seat.feed().line.subject.rule().durable.is_some();
        let has_expired = is_durable && Over::of(&error) == Some(Over::Expired);
        let is_own = |own: &Arc<Call>| has_expired || Arc::ptr_eq(own, &seat.feed().line.call.load());
        if error.code() != Code::Unauthenticated || self.own.as_ref().is_some_and(is_own) {
            return error;
        }
        let message = "The credential with which the stream was read is over. Open it again.";
        Error::new(Code::Unavailable, "UPSTREAM_UNAVAILABLE", message)
    }

    /// What the ring has dropped is asked for again; without a cursor it cannot be.
    fn fall_behind(&self, seat: Seat) -> Result<Way> {
        let line = &seat.feed().line;
        let (Some(Place::After(cursor)), Some(_)) = (&self.place, &line.subject.rule().durable) else {
            let message = "The stream was read too slowly, and has no cursor to continue from.";
            return Err(Error::new(Code::ResourceExhausted, "SLOW_CONSUMER", message));
        };
        line.counts.catch_ups.up();
        let line = with_own_call(line, self.own.as_ref());
        let private = Private::new(caught_up(line, cursor.clone()), true);
        seat.step_aside();
        Ok(Way::Private { seat, private, begins_now: false })
    }
}

impl std::fmt::Debug for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Part").field("tag", &self.tag).field("place", &self.place).finish_non_exhaustive()
    }
}

/// For a reader alone: what it reads is what its own credential opens, where the edge does not call for all.
pub fn with_own_call(line: &Line, own: Option<&Arc<Call>>) -> Line {
    let call = own.map(|own| Arc::new(ArcSwap::new(Arc::clone(own))));
    Line { call: call.unwrap_or_else(|| Arc::clone(&line.call)), ..line.clone() }
}

fn supplied(supply: Supply) -> Items {
    let step = |supply: Option<Supply>| async move {
        let mut supply = supply?;
        let entry = supply.next().await;
        let rest = entry.as_ref().is_ok_and(Option::is_some).then_some(supply);
        Some((entry, rest))
    };
    unfold(Some(supply), step).boxed()
}

/// Opens a call where the reader stands, and gives what it brings.
fn caught_up(line: Line, cursor: Vec<u8>) -> Items {
    let open = async move {
        match Supply::reopen(line, cursor).await {
            Ok((supply, gap)) => iter(gap.map(|gap| Ok(Some(gap)))).chain(supplied(supply)).boxed(),
            Err(error) => iter([Err(error)]).boxed(),
        }
    };
    once(open).flatten().boxed()
}
