//! An answer for all who wait for one: asked for by a task of its own, whatever becomes of who wanted it.
//!
//! What holds in whatever order its tasks run; `tests/models` tries them out:
//! - Nobody is given an answer to what was asked before the moment that it names.
//! - Whoever waits gets an answer as soon as there is one that it may take, and who stops waiting holds up nobody.

use std::sync::Arc;
use std::time::Duration;

use super::sync::{Mutex, MutexGuard, Notify, PoisonError, spawn, timeout};

/// A question that has no answer after this time is put again, beside it: another process may answer.
const PROMPT: Duration = Duration::from_secs(1);
/// So many times at most.
const BESIDE: usize = 3;

/// The latest answer to a question.
#[derive(Debug)]
pub struct Latest<T> {
    state: Mutex<State<T>>,
    told: Notify,
}

/// A moment between two times that the question was put.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(u64);

#[derive(Debug)]
struct State<T> {
    /// How often the question was put.
    asked: u64,
    under_way: usize,
    last: Option<(Moment, T)>,
}

/// The question is being put.
struct UnderWay<T>(Arc<Latest<T>>);

impl<T> Default for Latest<T> {
    fn default() -> Self {
        let state = State { asked: 0, under_way: 0, last: None };
        Self { state: Mutex::new(state), told: Notify::new() }
    }
}

impl<T: Clone + Send + 'static> Latest<T> {
    pub fn now(&self) -> Moment {
        Moment(self.lock().asked)
    }

    /// An answer to what was asked after this moment, and the moment when that was asked. `ask` puts the question.
    pub async fn after<F>(self: &Arc<Self>, moment: Moment, ask: impl Fn() -> F) -> (Moment, T)
    where
        F: Future<Output = T> + Send + 'static,
    {
        let mut overdue = None;
        loop {
            let told = self.told.notified();
            let (newest, begins, is_last) = {
                let mut state = self.lock();
                if let Some(last) = state.last.as_ref().filter(|(asked, _)| *asked > moment) {
                    return last.clone();
                }
                let is_overdue = overdue == Some(state.asked) && state.under_way < BESIDE;
                let begins = state.under_way == 0 || is_overdue;
                if begins {
                    state.asked += 1;
                    state.under_way += 1;
                }
                (state.asked, begins, state.under_way == BESIDE)
            };
            if begins {
                let (under_way, answer) = (UnderWay(Arc::clone(self)), ask());
                spawn(async move { under_way.learn(Moment(newest), answer.await) });
            }
            overdue = if is_last {
                told.await;
                None
            } else {
                timeout(PROMPT, told).await.is_err().then_some(newest)
            };
        }
    }
}

impl<T> Latest<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> UnderWay<T> {
    fn learn(self, asked: Moment, answer: T) {
        let mut state = self.0.lock();
        // Of two beside each other the later one may be answered first.
        if state.last.as_ref().is_none_or(|(last, _)| *last < asked) {
            state.last = Some((asked, answer));
        }
    }
}

impl<T> Drop for UnderWay<T> {
    fn drop(&mut self) {
        self.0.lock().under_way -= 1;
        self.0.told.notify_waiters();
    }
}
