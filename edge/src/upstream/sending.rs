//! What a call sends, which can be taken back as long as nobody has read of it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http_body::Frame;

use super::body::Outgoing;

type Slot = Arc<Mutex<Option<Body>>>;

/// What a call sends.
#[derive(Debug)]
pub enum Sending {
    /// All frames are at hand. Then the answer is at hand too, or begun, when the call completes.
    Whole(Bytes),
    Stream(Unread),
}

/// A body until it is read from.
#[derive(Debug)]
pub struct Unread(Slot);

impl Sending {
    pub fn stream(body: Body) -> Self {
        Self::Stream(Unread(Arc::new(Mutex::new(Some(body)))))
    }

    /// Whether no try has read of it.
    pub(super) fn is_unread(&self) -> bool {
        match self {
            Self::Whole(_) => true,
            Self::Stream(unread) => lock(&unread.0).is_some(),
        }
    }

    /// The body for one try; `None` when an earlier try has read of it.
    pub(super) fn lend(&mut self) -> Option<Outgoing> {
        let unread = match self {
            Self::Whole(frames) => return Some(Outgoing::Whole(frames.clone())),
            Self::Stream(unread) => unread,
        };
        let body = lock(&unread.0).take()?;
        // A new slot: whoever still holds the lent body of the try before must not read from this one.
        unread.0 = Arc::new(Mutex::new(Some(body)));
        let lent = Lent { slot: Arc::clone(&unread.0), body: None };
        Some(Outgoing::Stream(tonic::body::Body::new(lent)))
    }
}

struct Lent {
    slot: Slot,
    body: Option<Body>,
}

impl http_body::Body for Lent {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.body.is_none() {
            let body = lock(&self.slot).take();
            self.body = body;
        }
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(context).map_err(Into::into),
            // Not an end, which would make a whole request of nothing.
            None => Poll::Ready(Some(Err("the body was taken back".into()))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_some_and(http_body::Body::is_end_stream)
    }
}

fn lock(slot: &Slot) -> MutexGuard<'_, Option<Body>> {
    // Held for a moment; nothing panics meanwhile.
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}
