//! What a task waits for beside its work, and which hardly ever comes: clocks, cancellations, the end of a connection.
//!
//! To poll it whenever the task does something would cost more than the work. It has a waker of its own, which says whether
//! it is worth a look.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};

use futures_util::task::AtomicWaker;

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
    task: AtomicWaker,
}

impl Default for Rare {
    /// Due at first.
    fn default() -> Self {
        Self { call: Arc::new(Call { is_due: AtomicBool::new(true), task: AtomicWaker::new() }), task: None }
    }
}

impl Rare {
    /// The waker to poll them with, if one of them has asked for it since. Whoever gets `Ready` asks [`Self::again`].
    pub fn due(&mut self, cx: &Context<'_>) -> Option<Waker> {
        let is_known = self.task.as_ref().is_some_and(|task| task.will_wake(cx.waker()));
        if is_known && !self.call.is_due.load(Ordering::Acquire) {
            return None;
        }
        // A call has taken it. Before the look, so that one that comes after it wakes the task.
        self.call.task.register(cx.waker());
        if !is_known {
            self.task = Some(cx.waker().clone());
        }
        let is_due = self.call.is_due.swap(false, Ordering::AcqRel);
        is_due.then(|| Waker::from(Arc::clone(&self.call)))
    }

    /// They are to be polled once more, for what is ready has asked for nothing.
    pub fn again(&self) {
        self.call.is_due.store(true, Ordering::Release);
    }
}

impl Wake for Call {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.is_due.store(true, Ordering::Release);
        self.task.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Default)]
    struct Task(AtomicUsize);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_call_is_seen_once_and_wakes_the_task_that_looked_last() {
        let tasks = [Arc::new(Task::default()), Arc::new(Task::default())];
        let [first, second] = tasks.clone().map(Waker::from);
        let woken = || tasks.each_ref().map(|task| task.0.load(Ordering::Relaxed));
        let mut rare = Rare::default();
        let waker = rare.due(&Context::from_waker(&first)).expect("due at first");
        assert!(rare.due(&Context::from_waker(&first)).is_none());
        for calls in 1..=2 {
            waker.wake_by_ref();
            assert_eq!(woken(), [calls, 0]);
            assert!(rare.due(&Context::from_waker(&first)).is_some());
            assert!(rare.due(&Context::from_waker(&first)).is_none());
        }
        assert!(rare.due(&Context::from_waker(&second)).is_none());
        waker.wake();
        assert_eq!(woken(), [2, 1]);
        assert!(rare.due(&Context::from_waker(&second)).is_some());
        rare.again();
        assert!(rare.due(&Context::from_waker(&second)).is_some());
    }
}
