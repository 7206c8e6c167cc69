//! What a task waits for beside its work, and which hardly ever comes: clocks, cancellations, the end of a connection.
//!
//! To poll it whenever the task does something would cost more than the work. It has a waker of its own, which says whether
//! it is worth a look.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Wake, Waker};

use super::sync::{AtomicBool, Mutex, MutexGuard, PoisonError};

/// Whether rare futures are to be polled.
#[derive(Debug)]
pub struct Rare {
    call: Arc<Call>,
    /// The task that a call wakes.
    task: Option<Waker>,
}

#[derive(Debug)]
struct Call {
    is_due: AtomicBool,
    task: Mutex<Option<Waker>>,
}

impl Default for Rare {
    /// Due at first.
    fn default() -> Self {
        Self { call: Arc::new(Call { is_due: AtomicBool::new(true), task: Mutex::new(None) }), task: None }
    }
}

impl Rare {
    /// The waker to poll them with, if one of them has asked for it since. Whoever gets `Ready` asks [`Self::again`].
    pub fn due(&mut self, cx: &Context<'_>) -> Option<Waker> {
        let is_known = self.task.as_ref().is_some_and(|task| task.will_wake(cx.waker()));
        if is_known && !self.call.is_due.load(Ordering::Acquire) {
            return None;
        }
        if !is_known {
            *self.call.task() = Some(cx.waker().clone());
            self.task = Some(cx.waker().clone());
        }
        // After the task is known: a call that comes after this look wakes it.
        let is_due = self.call.is_due.swap(false, Ordering::AcqRel);
        is_due.then(|| Waker::from(Arc::clone(&self.call)))
    }

    /// They are to be polled once more, for what is ready has asked for nothing.
    pub fn again(&self) {
        self.call.is_due.store(true, Ordering::Release);
    }
}

impl Call {
    fn task(&self) -> MutexGuard<'_, Option<Waker>> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Call {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.is_due.store(true, Ordering::Release);
        // It stays known: a call that is slow to get here must not take it from the next one.
        let task = self.task().clone();
        if let Some(task) = task {
            task.wake();
        }
    }
}
