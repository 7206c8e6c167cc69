//! What readers share: the ring of one stream, and a seat for each reader.
//!
//! A reader is a position in the ring, and never a queue: what it has not read costs nothing more. One task writes
//! (`pump`); whoever waits for the next item is woken by it. The lock is std and held for a few lines, never across an
//! await.
//!
//! What holds in whatever order its tasks run; `tests/models` tries them out:
//! - Whoever waits for an item, or for the end, is woken by it.
//! - A seat is given every item from its position on, in order, and then the end; or it is told that it is behind.
//! - Behind a place that was joined comes what follows it, and the place told of the end is the one before the next item.
//! - Nobody sits at a closed feed, and a feed at which somebody sits is not closed.
//! - Who has read most sets the pace, and nobody else: the pump waits only with what nobody has read, and goes on as soon
//!   as there is room.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use slab::Slab;

use crate::bell::Bell;
use crate::cursor::Place;
use crate::error::{Error, Result};
use crate::upstream::Call;

use super::budget::{Budget, Share};
use super::item::Entry;
use super::outcome::Outcome;
use super::ring::Ring;
use super::supply::Line;
use super::sync::{Mutex, MutexGuard, Notify, PoisonError, SetOnce, timeout};

/// A stream that is read once, for all of its readers.
#[derive(Debug)]
pub struct Feed {
    pub line: Line,
    state: Mutex<State>,
    opened: SetOnce<Result<Opened>>,
    /// A reader came or left.
    attended: Notify,
    /// A reader made room.
    freed: Notify,
}

/// How the feed itself began.
#[derive(Debug, Clone)]
pub struct Opened {
    /// What became of the cursor of its first reader.
    pub outcome: Outcome,
    pub place: Option<Place>,
}

#[derive(Debug)]
struct State {
    ring: Ring,
    share: Share,
    seats: Slab<SeatState>,
    /// Of the threads on which readers have waited.
    bells: Vec<Bell>,
    phase: Phase,
    /// The weight of what was pushed since readers were woken.
    untold: usize,
    /// When the credential of its calls expires, in seconds since 1970.
    expires: u64,
    /// What comes next has just happened: whoever wants to begin now may begin at the end of the ring.
    is_live: bool,
}

#[derive(Debug)]
struct SeatState {
    /// Its position; none while its reader catches up by a call of its own.
    at: Option<u64>,
    waker: Option<Waker>,
    /// The bell of its thread, among those of the feed.
    bell: Option<usize>,
}

#[derive(Debug)]
enum Phase {
    Open,
    /// Nothing is added any more: it ended, well or not.
    Over(Result<()>),
    /// Nobody may come any more.
    Closed,
}

/// A reader's place at a feed; dropping it leaves.
#[derive(Debug)]
pub struct Seat {
    feed: Arc<Feed>,
    key: usize,
}

/// What is next for a reader.
#[derive(Debug)]
pub enum Next {
    Entry(Arc<Entry>),
    /// What comes next is not in the ring any more.
    Behind,
    End,
    Failed(Error),
}

impl Feed {
    /// A feed of at most `bytes`, and within `budget`.
    pub fn new(line: Line, bytes: usize, budget: &Arc<Budget>) -> Arc<Self> {
        let state = State {
            ring: Ring::new(None),
            share: budget.share(bytes),
            seats: Slab::new(),
            bells: Vec::new(),
            phase: Phase::Open,
            untold: 0,
            expires: 0,
            is_live: false,
        };
        let (state, opened) = (Mutex::new(state), SetOnce::new());
        Arc::new(Self { line, state, opened, attended: Notify::new(), freed: Notify::new() })
    }

    /// Calls are made with this one from now on, unless the credential of the present one lasts longer.
    pub fn offer(&self, call: Arc<Call>, expires: u64) {
        let mut state = self.lock();
        if expires >= state.expires {
            state.expires = expires;
            self.line.call.store(call);
        }
    }

    /// Takes a seat at the beginning, so that nothing is dropped before its reader says where it wants to be; `None` when
    /// the feed is closed.
    pub fn sit(self: &Arc<Self>) -> Option<Seat> {
        let mut state = self.lock();
        if matches!(state.phase, Phase::Closed) {
            return None;
        }
        let at = Some(state.ring.start());
        let key = state.seats.insert(SeatState { at, waker: None, bell: None });
        drop(state);
        self.line.counts.readers.up();
        self.attended.notify_one();
        Some(Seat { feed: Arc::clone(self), key })
    }

    /// Waits until it is known how it began.
    pub async fn opened(&self) -> &Result<Opened> {
        self.opened.wait().await
    }

    /// Whether nothing is added any more.
    pub fn is_over(&self) -> bool {
        !matches!(self.lock().phase, Phase::Open)
    }

    /// Whether the end of the ring is now.
    pub fn is_live(&self) -> bool {
        self.lock().is_live
    }

    /// It has been seen that the end of the ring is now.
    pub fn set_live(&self) {
        self.lock().is_live = true;
    }

    /// Says how it began; `is_live` when what comes first is what happens next.
    pub fn begin(&self, opened: Result<Opened>, is_live: bool) {
        if let Ok(opened) = &opened {
            let mut state = self.lock();
            state.ring.rebase(opened.place.clone());
            state.is_live = is_live;
        }
        // It begins once; a failure afterwards is its end.
        let _ = self.opened.set(opened);
    }

    /// Adds an item, of which nobody hears before [`Self::tell`], unless what they have not heard of fills half of the ring.
    pub fn push(&self, entry: Entry) {
        let mut state = self.lock();
        state.untold += entry.weight();
        state.ring.push(Arc::new(entry));
        state.trim();
        if state.untold > state.share.bound() / 2 {
            wake(state);
        }
    }

    /// Wakes whoever waits for what was pushed.
    pub fn tell(&self) {
        wake(self.lock());
    }

    /// Waits until the ring has room without what nobody has read yet.
    pub async fn room(&self) {
        loop {
            let freed = self.freed.notified();
            {
                let mut state = self.lock();
                if state.trim() {
                    return;
                }
                state.is_live = false;
                // They make it.
                wake(state);
            }
            freed.await;
        }
    }

    /// Says how it ended.
    pub fn end(&self, outcome: Result<()>) {
        let mut state = self.lock();
        state.phase = Phase::Over(outcome);
        wake(state);
    }

    /// Waits until nobody has been here for a while.
    pub async fn abandoned(&self, linger: Duration) {
        loop {
            let attended = self.attended.notified();
            if !self.lock().seats.is_empty() {
                attended.await;
            } else if timeout(linger, attended).await.is_err() {
                return;
            }
        }
    }

    /// Lets nobody in any more; false when somebody is here.
    pub fn close(&self) -> bool {
        let mut state = self.lock();
        let is_empty = state.seats.is_empty();
        if is_empty {
            state.phase = Phase::Closed;
        }
        is_empty
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes outside the lock: whoever is woken takes it.
fn wake(mut state: MutexGuard<'_, State>) {
    state.untold = 0;
    let State { seats, bells, .. } = &mut *state;
    let mut alone = Vec::new();
    let mut together: Vec<(Bell, Vec<Waker>)> = bells.iter().map(|bell| (bell.clone(), Vec::new())).collect();
    for (_, seat) in seats.iter_mut() {
        if let Some(waker) = seat.waker.take() {
            let list = seat.bell.and_then(|bell| together.get_mut(bell)).map(|(_, list)| list);
            list.unwrap_or(&mut alone).push(waker);
        }
    }
    drop(state);
    together.into_iter().for_each(|(bell, tasks)| bell.ring(tasks));
    alone.into_iter().for_each(Waker::wake);
}

/// The place of this thread's bell among them.
fn bell_here(bells: &mut Vec<Bell>) -> Option<usize> {
    Bell::here(|here| {
        let here = here?;
        Some(bells.iter().position(|bell| bell == here).unwrap_or_else(|| {
            bells.push(here.clone());
            bells.len() - 1
        }))
    })
}

impl State {
    /// Drops what is over the bound; false when that is not enough, because nobody has read it.
    fn trim(&mut self) -> bool {
        let (bound, end) = (self.share.bound(), self.ring.end());
        // Whoever is slower than another has to look for itself. Whoever catches up by a call of its own waits to meet the
        // ring.
        let read = self.seats.iter().map(|(_, seat)| seat.at.unwrap_or(u64::MAX)).max();
        let keep = read.unwrap_or(self.ring.start());
        // The latest item stays, however large it is: those who wait for it have not read it yet.
        self.ring.trim(bound, keep.min(end.saturating_sub(1)));
        self.share.hold(self.ring.weight());
        self.ring.weight() <= bound || keep >= end
    }
}

impl Seat {
    pub fn feed(&self) -> &Arc<Feed> {
        &self.feed
    }

    /// The next item; whoever waits for it is woken.
    pub fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Next> {
        let mut state = self.feed.lock();
        let State { ring, seats, bells, phase, .. } = &mut *state;
        // Its key is taken until it is dropped.
        let Some(seat) = seats.get_mut(self.key) else { return Poll::Ready(Next::Behind) };
        let Some(at) = seat.at.filter(|at| *at >= ring.start()) else { return Poll::Ready(Next::Behind) };
        if let Some(entry) = ring.get(at) {
            seat.at = Some(at + 1);
            let entry = Arc::clone(entry);
            // A full ring begins with what nobody had read.
            let makes_room = at == ring.start();
            drop(state);
            if makes_room {
                self.feed.freed.notify_one();
            }
            return Poll::Ready(Next::Entry(entry));
        }
        match phase {
            Phase::Over(Ok(())) => Poll::Ready(Next::End),
            Phase::Over(Err(error)) => Poll::Ready(Next::Failed(error.clone())),
            Phase::Open | Phase::Closed => {
                match &mut seat.waker {
                    Some(waker) => waker.clone_from(cx.waker()),
                    none => *none = Some(cx.waker().clone()),
                }
                seat.bell = bell_here(bells);
                Poll::Pending
            }
        }
    }

    /// Goes right behind a place; the number of events that follow, `None` when it is not in the ring.
    pub fn join(&self, place: &Place) -> Option<u64> {
        let mut follow = 0;
        self.go(|ring| {
            let at = ring.find(place)?;
            follow = ring.events_from(at);
            Some(at)
        })?;
        Some(follow)
    }

    /// The same, but only where the reader will not fall behind again at once.
    pub fn join_safely(&self, place: &Place) -> Option<()> {
        self.go(|ring| {
            let is_safe = |at: &u64| ring.start() == 0 || *at >= ring.start().midpoint(ring.end());
            ring.find(place).filter(is_safe)
        })
    }

    /// Goes to the oldest item, and says what is before it.
    pub fn join_start(&self) -> Option<Place> {
        let mut place = None;
        self.go(|ring| {
            place = ring.base().cloned();
            Some(ring.start())
        });
        place
    }

    /// Goes to the end, and says where that is.
    pub fn join_end(&self) -> Option<Place> {
        let mut place = None;
        self.go(|ring| {
            place = ring.place().cloned();
            Some(ring.end())
        });
        place
    }

    /// Stays, without a position: its reader catches up by a call of its own.
    pub fn step_aside(&self) {
        if let Some(seat) = self.feed.lock().seats.get_mut(self.key) {
            seat.at = None;
        }
        self.feed.freed.notify_one();
    }

    fn go(&self, find: impl FnOnce(&Ring) -> Option<u64>) -> Option<()> {
        let mut state = self.feed.lock();
        let at = find(&state.ring)?;
        if let Some(seat) = state.seats.get_mut(self.key) {
            seat.at = Some(at);
        }
        drop(state);
        self.feed.freed.notify_one();
        Some(())
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        // Makes no room: whoever is left has read less, and a feed that nobody reads waits.
        self.feed.lock().seats.try_remove(self.key);
        self.feed.line.counts.readers.down();
        self.feed.attended.notify_one();
    }
}
