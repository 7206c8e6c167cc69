//! Where connections run: each on one of a few threads that share nothing, or all where the edge itself runs.
//!
//! On a thread of its own, a request and its call to a backend are one conversation: they wake no other thread and wait
//! for no lock of one; what it took is given back by that thread. (On a runtime whose threads share all work, every call met the one lock of its HTTP/2 connection.)

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::time::sleep;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::allocator::give_back;
use crate::bell::Bell;

/// How often a thread looks for memory that it does not use any more, which takes it some microseconds.
const MOMENT: Duration = Duration::from_secs(1);

/// Runs connections; what is still open is cut when it is dropped.
#[derive(Debug)]
pub struct Workers(Vec<Worker>);

#[derive(Debug)]
struct Worker {
    runtime: Handle,
    open: Arc<AtomicUsize>,
    /// None on a runtime that is not ours to stop.
    _stop: Option<DropGuard>,
}

/// Counts a connection for as long as it is held.
struct Open(Arc<AtomicUsize>);

impl Workers {
    /// Everything runs on the runtime of the caller.
    pub fn here() -> Self {
        Self(vec![Worker { runtime: Handle::current(), open: Arc::default(), _stop: None }])
    }

    /// A thread for each processor.
    ///
    /// # Errors
    /// When the machine gives no more threads or files.
    pub fn start() -> io::Result<Self> {
        let count = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        (0..count).map(Worker::start).collect::<io::Result<_>>().map(Self)
    }

    /// Has the worker with the fewest connections run this one.
    pub(crate) fn run(&self, connection: impl Future<Output = ()> + Send + 'static) {
        let load = |worker: &&Worker| worker.open.load(Ordering::Relaxed);
        let Some(worker) = self.0.iter().min_by_key(load) else { return };
        let open = Open::count(&worker.open);
        worker.runtime.spawn(async move {
            connection.await;
            drop(open);
        });
    }
}

impl Worker {
    fn start(number: usize) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (handle, stop) = (runtime.handle().clone(), CancellationToken::new());
        let stopped = stop.clone().cancelled_owned();
        runtime.spawn(Bell::hang());
        runtime.spawn(tidy_up());
        thread::Builder::new().name(format!("worker-{number}")).spawn(move || runtime.block_on(stopped))?;
        Ok(Self { runtime: handle, open: Arc::default(), _stop: Some(stop.drop_guard()) })
    }
}

/// Gives back what connections and streams do not use any more.
async fn tidy_up() {
    loop {
        sleep(MOMENT).await;
        give_back();
    }
}

impl Open {
    fn count(open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(open))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
