//! Wakes many tasks of one thread at the price of waking one.
//!
//! A task that is woken from another thread costs a lock and a system call. What a bell is given is handed over at once, and
//! woken on the thread itself, where that costs next to nothing.

use std::cell::OnceCell;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;

use tokio::sync::Notify;
use tokio::task::yield_now;

/// After so many tasks others of the thread have their turn: calls, and whoever brings what these tasks are to do next.
const AT_ONCE: usize = 64;

thread_local! {
    static HERE: OnceCell<Bell> = const { OnceCell::new() };
}

/// The bell of a thread that keeps its tasks. Clones are the same.
#[derive(Debug, Clone)]
pub struct Bell(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    given: Mutex<Vec<Vec<Waker>>>,
    news: Notify,
}

impl Bell {
    /// Runs the bell of this thread, whose runtime moves no task to another; never ends.
    pub async fn hang() {
        let bell = Self(Arc::new(Inner { given: Mutex::default(), news: Notify::new() }));
        HERE.with(|here| here.get_or_init(|| bell.clone()).clone()).answer().await;
    }

    async fn answer(&self) {
        loop {
            self.0.news.notified().await;
            let given = std::mem::take(&mut *self.0.given.lock().unwrap_or_else(PoisonError::into_inner));
            for (count, task) in (1..).zip(given.into_iter().flatten()) {
                task.wake();
                if count % AT_ONCE == 0 {
                    yield_now().await;
                }
            }
        }
    }

    /// Does something with the bell of this thread, if it has one.
    pub fn here<R>(with: impl FnOnce(Option<&Self>) -> R) -> R {
        HERE.with(|here| with(here.get()))
    }

    /// Wakes tasks of its thread.
    pub fn ring(&self, mut tasks: Vec<Waker>) {
        if tasks.len() < 2 {
            return tasks.drain(..).for_each(Waker::wake);
        }
        self.0.given.lock().unwrap_or_else(PoisonError::into_inner).push(tasks);
        self.0.news.notify_one();
    }
}

impl PartialEq for Bell {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Poll;

    use tokio::task::JoinSet;

    use super::*;

    #[tokio::test]
    async fn a_crowd_that_is_woken_leaves_others_their_turn() {
        let (waiting, woken) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(0)));
        let mut tasks = JoinSet::new();
        for _ in 0..1000 {
            let (waiting, woken, mut is_known) = (Arc::clone(&waiting), Arc::clone(&woken), false);
            tasks.spawn(poll_fn(move |cx| {
                if !std::mem::replace(&mut is_known, true) {
                    waiting.lock().unwrap().push(cx.waker().clone());
                    return Poll::Pending;
                }
                *woken.lock().unwrap() += 1;
                Poll::Ready(())
            }));
        }
        tokio::spawn(Bell::hang());
        while Bell::here(|bell| bell.is_none()) {
            yield_now().await;
        }
        let waiting = std::mem::take(&mut *waiting.lock().unwrap());
        Bell::here(|bell| bell.unwrap().ring(waiting));
        let seen = tokio::spawn(async move {
            let mut seen = vec![0];
            while seen.last() != Some(&1000) {
                yield_now().await;
                seen.push(*woken.lock().unwrap());
            }
            seen
        });
        let seen = seen.await.unwrap();
        assert!(seen.windows(2).all(|turn| turn[1] - turn[0] <= 2 * AT_ONCE), "{seen:?}");
        tasks.join_all().await;
    }
}
