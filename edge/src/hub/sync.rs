//! What the tasks of a feed wait by, in one place: the models of `tests/models` put primitives here that try out every order.

pub use std::sync::atomic::AtomicBool;
pub use std::sync::{Mutex, MutexGuard, PoisonError};
pub use tokio::sync::{Notify, SetOnce};
pub use tokio::time::{sleep, timeout};

/// Runs on its own until it ends.
pub fn spawn(work: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(work);
}
