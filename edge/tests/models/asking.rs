//! One question for many, whose answer changes meanwhile: a task that is left without an answer is a deadlock of the model.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use shuttle::future;
use shuttle::sync::atomic::{AtomicU32, Ordering};

use crate::explore::explore;
use crate::hub::latest::{Latest, Moment};
use crate::hub::sync::{interrupt, sleep};

const CHANGES: u32 = 2;
const ASKERS: usize = 3;

/// A backend whose answer is what it knows at some moment while it is asked.
#[derive(Debug, Clone, Default)]
struct Backend {
    truth: Arc<AtomicU32>,
    asked: Arc<AtomicU32>,
}

impl Backend {
    fn put(&self) -> impl Future<Output = u32> + Send + 'static {
        let Self { truth, asked } = self.clone();
        async move {
            asked.fetch_add(1, Ordering::SeqCst);
            interrupt();
            let answer = truth.load(Ordering::SeqCst);
            sleep(std::time::Duration::ZERO).await;
            answer
        }
    }
}

/// Nor an older one than before.
async fn ask(latest: &Arc<Latest<u32>>, backend: &Backend, holds: Option<Moment>) -> Moment {
    let known = backend.truth.load(Ordering::SeqCst);
    let after = latest.now();
    let (moment, answer) = latest.after(after, || backend.put()).await;
    assert!(answer >= known, "{answer} was true before {known} was");
    assert!(moment > after && holds.is_none_or(|holds| moment > holds));
    moment
}

/// Waits for questions that nobody waits for any more.
async fn end(latest: &Arc<Latest<u32>>) {
    while Arc::strong_count(latest) > 1 {
        future::yield_now().await;
    }
}

#[test]
fn nobody_gets_an_answer_from_before_it_asked() {
    explore(|| {
        let (latest, backend) = (Arc::new(Latest::default()), Backend::default());
        let mut tasks = Vec::new();
        for _ in 0..ASKERS {
            let (latest, backend) = (Arc::clone(&latest), backend.clone());
            tasks.push(future::spawn(async move {
                let first = ask(&latest, &backend, None).await;
                ask(&latest, &backend, Some(first)).await;
            }));
        }
        let truth = Arc::clone(&backend.truth);
        tasks.push(future::spawn(async move {
            for _ in 0..CHANGES {
                truth.fetch_add(1, Ordering::SeqCst);
                future::yield_now().await;
            }
        }));
        future::block_on(async {
            for task in tasks {
                task.await.expect("no panic");
            }
            end(&latest).await;
        });
    });
}

/// It is still there, as a reader that nobody reads from.
#[test]
fn whoever_asks_and_is_never_polled_again_holds_up_nobody() {
    explore(|| {
        let (latest, backend) = (Arc::new(Latest::default()), Backend::default());
        let mut stalled = pin!(latest.after(latest.now(), || backend.put()));
        let _ = stalled.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let asking = (0..ASKERS).map(|_| {
            let (latest, backend) = (Arc::clone(&latest), backend.clone());
            future::spawn(async move { ask(&latest, &backend, None).await })
        });
        let asking: Vec<_> = asking.collect();
        future::block_on(async {
            for task in asking {
                task.await.expect("no panic");
            }
            end(&latest).await;
        });
    });
}
