//! A connection that is made when it is first needed, and again when it has ended.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};

use super::failure::Unreached;
use super::http2::Sender;
use super::news::News;
use super::target::Target;

/// What is waited for together: it goes on when the first who asked has gone.
type Attempt = Shared<BoxFuture<'static, Result<Sender, Unreached>>>;

/// A connection to an endpoint.
#[derive(Debug)]
pub(super) struct Connection {
    target: Target,
    address: Option<SocketAddr>,
    news: Option<News>,
    /// The last one, whatever came of it.
    attempt: Mutex<Option<Attempt>>,
    calls: AtomicUsize,
}

impl Connection {
    /// `news` hears of each time that it is made.
    pub(super) fn new(target: Target, address: Option<SocketAddr>, news: Option<News>) -> Self {
        Self { target, address, news, attempt: Mutex::default(), calls: AtomicUsize::new(0) }
    }

    /// What begins a call on it.
    pub(super) async fn sender(&self) -> Result<Sender, Unreached> {
        let attempt = self.attempt();
        if let Ok(sender) = attempt.clone().await?.ready().await {
            return Ok(sender);
        }
        self.forget(&attempt);
        self.attempt().await
    }

    fn attempt(&self) -> Attempt {
        let mut last = self.attempt.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(attempt) = &*last
            // Who did not wait for one that failed does not get its failure.
            && !matches!(attempt.peek(), Some(Err(_)))
        {
            return attempt.clone();
        }
        let (target, news) = (self.target.clone(), self.news.clone());
        let connecting = tokio::spawn(target.connect(self.address));
        let attempt = async move {
            let sender = connecting.await.map_err(|gone| Unreached(Arc::new(gone)))??;
            news.iter().for_each(News::tell);
            Ok(sender)
        };
        last.insert(attempt.boxed().shared()).clone()
    }

    /// Another one is made next time.
    fn forget(&self, ended: &Attempt) {
        let mut last = self.attempt.lock().unwrap_or_else(PoisonError::into_inner);
        last.take_if(|last| last.ptr_eq(ended));
    }

    /// Calls under way.
    pub(super) fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    /// Takes a place if fewer than `most` are taken.
    pub(super) fn take(&self, most: usize) -> bool {
        let one_more = |calls| (calls < most).then_some(calls + 1);
        self.calls.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok()
    }

    /// Gives a place back; tells whether it was the last that was taken.
    pub(super) fn leave(&self) -> bool {
        self.calls.fetch_sub(1, Ordering::Relaxed) == 1
    }
}
