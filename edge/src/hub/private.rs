//! A call for one reader alone, given up while that reader takes nothing.
//!
//! Whoever does not read is not asked, so that another task has to look: a connection that stalls must hold its position,
//! and neither a call of the backend nor what that call has sent.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Wake, Waker, ready};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use futures_util::task::AtomicWaker;

use crate::error::{Error, Result};

use super::item::Entry;
use super::sync::{Mutex, MutexGuard, PoisonError, sleep, spawn};

/// Between two looks; a call that nobody reads is given up at the second.
const LOOK: Duration = Duration::from_millis(1500);

/// What a call brings; nothing more after its end or a failure.
pub type Items = BoxStream<'static, Result<Option<Entry>>>;

/// A call for one reader alone; dropping it cancels the call.
pub struct Private(Arc<Mutex<State>>);

struct State {
    /// None once it has been given up.
    items: Option<Items>,
    stance: Stance,
    /// Its reader has a place to ask again from.
    can_return: bool,
    bell: Arc<Bell>,
}

/// What its reader does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stance {
    /// Waits for what comes next.
    Waits,
    /// Has taken something since the last look.
    Takes,
    Rests,
}

/// Wakes the reader, and knows that it did: HTTP/2 does not ask for more before there is room for it.
#[derive(Default)]
struct Bell {
    reader: AtomicWaker,
    has_rung: AtomicBool,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.has_rung.store(true, Ordering::Relaxed);
        self.reader.wake();
    }
}

/// What is next.
#[derive(Debug)]
pub enum Brought {
    Entry(Entry),
    End,
    Failed(Error),
    /// Nobody has read it for a while; what comes next is to be asked for again.
    GivenUp,
}

impl Private {
    /// `can_return`: its reader has a place to ask again from, also before it has taken anything.
    pub fn new(items: Items, can_return: bool) -> Self {
        let state = State { items: Some(items), stance: Stance::Takes, can_return, bell: Arc::default() };
        let state = Arc::new(Mutex::new(state));
        spawn(look_after(Arc::downgrade(&state)));
        Self(state)
    }

    pub fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Brought> {
        let mut state = lock(&self.0);
        let State { items: Some(items), stance, can_return, bell } = &mut *state else {
            return Poll::Ready(Brought::GivenUp);
        };
        bell.reader.register(cx.waker());
        bell.has_rung.store(false, Ordering::Relaxed);
        let polled = items.poll_next_unpin(&mut Context::from_waker(&Waker::from(Arc::clone(bell))));
        *stance = if polled.is_pending() { Stance::Waits } else { Stance::Takes };
        *can_return |= polled.is_ready();
        drop(state);
        Poll::Ready(match ready!(polled) {
            Some(Ok(Some(entry))) => Brought::Entry(entry),
            Some(Ok(None)) | None => Brought::End,
            Some(Err(error)) => Brought::Failed(error),
        })
    }
}

impl std::fmt::Debug for Private {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Private").finish_non_exhaustive()
    }
}

/// Ends with the call, or soon after.
async fn look_after(state: Weak<Mutex<State>>) {
    loop {
        sleep(LOOK).await;
        let Some(state) = state.upgrade() else { return };
        let mut looked = lock(&state);
        match looked.stance {
            _ if !looked.can_return => {}
            Stance::Waits if looked.bell.has_rung.load(Ordering::Relaxed) => looked.stance = Stance::Rests,
            Stance::Waits => {}
            Stance::Takes => looked.stance = Stance::Rests,
            Stance::Rests => {
                let given_up = looked.items.take();
                drop(looked);
                // What is cancelled may take locks of its own.
                return drop(given_up);
            }
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
