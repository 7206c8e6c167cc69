//! Bytes that many sessions write: each item of a shared stream is made into a frame once for each form.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;

use crate::hub::{Entry, Feed};
use crate::session::Encoding;

use super::form::Form;

/// The latest frames of a stream that are kept, and their bytes; who is further behind makes its own.
const KEPT: usize = 16;
const KEPT_BYTES: usize = 64 * 1024;

/// The shared streams of this edge that sessions read.
#[derive(Debug, Default)]
pub struct Channels {
    // Held for a few lines, never across an await.
    known: Mutex<HashMap<usize, Weak<Channel>>>,
    last: AtomicU32,
}

/// One of them.
#[derive(Debug)]
pub struct Channel {
    /// Its number on this edge, from 1.
    pub number: u32,
    /// Keeps the feed's address, by which the channel is found.
    feed: Arc<Feed>,
    frames: Mutex<Frames>,
}

#[derive(Debug, Default)]
struct Frames {
    latest: VecDeque<Made>,
    bytes: usize,
}

#[derive(Debug)]
struct Made {
    /// Holding it keeps its address, by which it is found.
    entry: Arc<Entry>,
    form: Form,
    encoding: Encoding,
    frame: Bytes,
}

impl Channels {
    /// The channel of a feed.
    pub fn of(&self, feed: &Arc<Feed>) -> Arc<Channel> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let key = Arc::as_ptr(feed).addr();
        if let Some(channel) = known.get(&key).and_then(Weak::upgrade) {
            return channel;
        }
        if known.len() == known.capacity() {
            known.retain(|_, channel| channel.strong_count() > 0);
        }
        // 0 stands for none; after 4 billion streams numbers come again, when those that had them are long gone.
        let number = self.last.fetch_add(1, Ordering::Relaxed).wrapping_add(1).max(1);
        let channel = Arc::new(Channel { number, feed: Arc::clone(feed), frames: Mutex::default() });
        known.insert(key, Arc::downgrade(&channel));
        channel
    }
}

impl Channel {
    /// The feed that it is of.
    pub fn feed(&self) -> &Arc<Feed> {
        &self.feed
    }

    /// The frame of an item; `make` makes it for the first who asks.
    pub fn frame(
        &self,
        entry: &Arc<Entry>,
        form: Form,
        encoding: Encoding,
        make: impl FnOnce() -> Option<Bytes>,
    ) -> Option<Bytes> {
        let mut frames = self.lock();
        let is_it =
            |made: &&Made| Arc::ptr_eq(&made.entry, entry) && made.form == form && made.encoding == encoding;
        if let Some(made) = frames.latest.iter().rev().find(is_it) {
            return Some(made.frame.clone());
        }
        // Within the lock: whoever wants the same waits for it, and does not make it too.
        let frame = make()?;
        frames.bytes += frame.len();
        frames.latest.push_back(Made { entry: Arc::clone(entry), form, encoding, frame: frame.clone() });
        while frames.latest.len() > KEPT || frames.bytes > KEPT_BYTES {
            let Some(oldest) = frames.latest.pop_front() else { break };
            frames.bytes -= oldest.frame.len();
        }
        Some(frame)
    }

    fn lock(&self) -> MutexGuard<'_, Frames> {
        self.frames.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
