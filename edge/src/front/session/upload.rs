//! The messages of a call on their way from a session to its backend.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::unfold;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::super::lobby::Mailbox;

/// The session's end. Messages are bounded by the credit that the client has. Dropping it half-closes the call.
#[derive(Debug)]
pub struct Upload {
    sender: UnboundedSender<Bytes>,
    counts: Arc<Counts>,
}

#[derive(Debug)]
struct Counts {
    /// Messages that the backend has taken since that was asked.
    passed: AtomicU32,
    /// Bytes that wait, of all calls of the session.
    waiting: Arc<AtomicUsize>,
    mailbox: Arc<Mailbox>,
}

/// The backend's end.
struct Messages {
    receiver: UnboundedReceiver<Bytes>,
    counts: Arc<Counts>,
}

/// Both ends; `first` is on its way already.
pub fn upload(
    first: Option<Bytes>,
    waiting: Arc<AtomicUsize>,
    mailbox: Arc<Mailbox>,
) -> (Upload, impl Stream<Item = Bytes> + Send + 'static) {
    let (sender, receiver) = unbounded_channel();
    let counts = Arc::new(Counts { passed: AtomicU32::new(0), waiting, mailbox });
    let messages = Messages { receiver, counts: Arc::clone(&counts) };
    let stream = unfold((first, messages), |(first, mut messages)| async move {
        if let Some(first) = first {
            return Some((first, (None, messages)));
        }
        let message = messages.receiver.recv().await?;
        messages.counts.waiting.fetch_sub(message.len(), Ordering::Relaxed);
        messages.counts.passed.fetch_add(1, Ordering::Relaxed);
        messages.counts.mailbox.wake();
        Some((message, (None, messages)))
    });
    (Upload { sender, counts }, stream)
}

impl Upload {
    /// Sends a message on its way. When the backend takes no more, the call is about to end, and says so itself.
    pub fn send(&self, message: Bytes) {
        let size = message.len();
        self.counts.waiting.fetch_add(size, Ordering::Relaxed);
        if self.sender.send(message).is_err() {
            self.counts.waiting.fetch_sub(size, Ordering::Relaxed);
        }
    }

    /// How many messages the backend has taken since this was asked.
    pub fn passed(&self) -> u32 {
        self.counts.passed.swap(0, Ordering::Relaxed)
    }
}

impl Drop for Messages {
    fn drop(&mut self) {
        self.receiver.close();
        while let Ok(message) = self.receiver.try_recv() {
            self.counts.waiting.fetch_sub(message.len(), Ordering::Relaxed);
        }
    }
}
