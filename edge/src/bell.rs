//! Wakes many tasks of one thread at the price of waking one.
//!
//! A task that is woken from another thread costs a lock and a system call. What a bell is given is handed over at once, and
//! woken on the thread itself, where that costs next to nothing.

use std::cell::OnceCell;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;

use tokio::sync::Notify;

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
            given.into_iter().flatten().for_each(Waker::wake);
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
