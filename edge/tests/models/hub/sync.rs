//! The primitives of `src/hub/sync.rs`, each of whose uses is a moment at which another task may run.
//!
//! Tokio's own are indivisible to the models: that they are right is tokio's to prove.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

pub use shuttle::sync::atomic::AtomicBool;
pub use shuttle::sync::{Mutex, MutexGuard};
pub use std::sync::PoisonError;

use crate::explore::any_below;

#[derive(Debug, Default)]
pub struct Notify(tokio::sync::Notify);

#[derive(Debug)]
pub struct SetOnce<T>(tokio::sync::SetOnce<T>);

#[derive(Debug)]
pub struct Elapsed;

impl Notify {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn notify_one(&self) {
        interrupt();
        self.0.notify_one();
    }

    pub fn notify_waiters(&self) {
        interrupt();
        self.0.notify_waiters();
    }

    /// As tokio's, it is told of what comes after it was made.
    pub fn notified(&self) -> impl Future<Output = ()> + '_ {
        interrupt();
        let notified = self.0.notified();
        async {
            interrupt();
            notified.await;
        }
    }
}

impl<T> SetOnce<T> {
    pub fn new() -> Self {
        Self(tokio::sync::SetOnce::new())
    }

    pub fn set(&self, value: T) -> Result<(), tokio::sync::SetOnceError<T>> {
        interrupt();
        self.0.set(value)
    }

    pub async fn wait(&self) -> &T {
        interrupt();
        self.0.wait().await
    }
}

/// Another task may run here.
pub fn interrupt() {
    drop(Mutex::new(()).lock());
}

/// Runs on its own until it ends.
pub fn spawn(work: impl Future<Output = ()> + Send + 'static) {
    shuttle::future::spawn(work);
}

/// Time goes by as fast as it likes, but others come first.
pub async fn sleep(_: Duration) {
    for _ in 0..any_below(6) {
        shuttle::future::yield_now().await;
    }
    shuttle::future::yield_now().await;
}

/// Time goes by as fast as it likes, but `work` is asked first.
pub async fn timeout<T>(_: Duration, work: impl Future<Output = T>) -> Result<T, Elapsed> {
    let mut work = pin!(work);
    let mut left = any_below(6);
    std::future::poll_fn(move |cx: &mut Context<'_>| {
        if let Poll::Ready(done) = Pin::new(&mut work).poll(cx) {
            return Poll::Ready(Ok(done));
        }
        if left == 0 {
            return Poll::Ready(Err(Elapsed));
        }
        left -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await
}
