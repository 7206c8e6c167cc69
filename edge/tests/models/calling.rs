//! What hardly ever comes is seen: a task that is left waiting for it is a deadlock of the model.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::task::{Context, Poll, Wake, Waker};

use shuttle::sync::atomic::{AtomicU32, Ordering};
use shuttle::{future, thread};

use crate::explore::explore;
use crate::hub::rare::Rare;

const CALLS: u32 = 2;

/// While others wake the task for reasons of their own.
#[test]
fn no_call_is_lost() {
    explore(|| {
        let mut rare = Rare::default();
        let made = Arc::new(AtomicU32::new(0));
        let mut others = Vec::new();
        let mut seen = 0;
        future::block_on(poll_fn(|cx| {
            if let Some(waker) = rare.due(cx) {
                seen = made.load(Ordering::SeqCst);
                if others.is_empty() {
                    let made = Arc::clone(&made);
                    others.push(thread::spawn(move || {
                        for _ in 0..CALLS {
                            made.fetch_add(1, Ordering::SeqCst);
                            waker.wake_by_ref();
                        }
                    }));
                    let task = cx.waker().clone();
                    others.push(thread::spawn(move || (0..2).for_each(|_| task.wake_by_ref())));
                }
            }
            if seen == CALLS { Poll::Ready(()) } else { Poll::Pending }
        }));
        others.into_iter().for_each(|other| other.join().expect("no panic"));
    });
}

#[derive(Default)]
struct Task(AtomicUsize);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_call_is_seen_once_and_wakes_the_task_that_looked_last() {
    let once = || {
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
    };
    // Nothing runs beside it.
    shuttle::check_random(once, 1);
}
