//! A body that a session writes into: an event stream as a carrier.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use axum::body::Body;
use bytes::Bytes;
use http_body::Frame;

use crate::deliver::Chunk;

use super::form::Form;

/// While so much waits to be written, whoever writes waits too; who writes a pipe to the socket holds some more.
pub const ENOUGH: usize = 16 * 1024;

/// The writing end; dropping it ends the body.
#[derive(Debug)]
pub struct Pipe {
    shared: Arc<Shared>,
    form: Form,
    out: VecDeque<Bytes>,
}

#[derive(Debug, Default)]
struct Shared(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    ready: VecDeque<Bytes>,
    queued: usize,
    is_closed: bool,
    reader: Option<Waker>,
    /// Of a writer that waits for room.
    crowded: Option<Waker>,
    /// Of a writer that wants to know when nobody reads any more.
    left: Option<Waker>,
}

struct Outlet(Arc<Shared>);

/// A pipe and the body that comes out of it.
pub fn pipe(form: Form) -> (Pipe, Body) {
    let shared = Arc::new(Shared::default());
    (Pipe { shared: Arc::clone(&shared), form, out: VecDeque::new() }, Body::new(Outlet(shared)))
}

impl Shared {
    // Held for a few lines, never across an await.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pipe {
    pub fn form(&self) -> Form {
        self.form
    }

    pub fn queue(&mut self, bytes: Bytes) {
        self.out.push_back(bytes);
    }

    /// Bytes that wait to be written.
    pub fn queued(&self) -> usize {
        self.out.iter().map(Bytes::len).sum::<usize>() + self.shared.lock().queued
    }

    /// Ready when the reader is gone.
    pub fn poll_gone(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.shared.lock();
        if state.is_closed {
            return Poll::Ready(());
        }
        state.left = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Ready when nothing waits on this side.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.shared.lock();
        let mut has_moved = false;
        while state.queued < ENOUGH
            && let Some(bytes) = self.out.pop_front()
        {
            state.queued += bytes.len();
            state.ready.push_back(bytes);
            has_moved = true;
        }
        let reader = if has_moved { state.reader.take() } else { None };
        let is_done = self.out.is_empty();
        // Whoever is crowded writes nothing more before it is woken.
        if !is_done || state.queued >= ENOUGH {
            state.crowded = Some(cx.waker().clone());
        }
        drop(state);
        reader.into_iter().for_each(Waker::wake);
        if is_done { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        // What was to be said last is said.
        state.ready.extend(self.out.drain(..));
        state.is_closed = true;
        let reader = state.reader.take();
        drop(state);
        reader.into_iter().for_each(Waker::wake);
    }
}

impl http_body::Body for Outlet {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let mut state = self.0.lock();
        let mut chunk = Chunk::new();
        state.ready.drain(..).for_each(|bytes| chunk.share(bytes));
        state.queued = 0;
        if chunk.is_empty() {
            if state.is_closed {
                return Poll::Ready(None);
            }
            state.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let crowded = state.crowded.take();
        drop(state);
        crowded.into_iter().for_each(Waker::wake);
        Poll::Ready(Some(Ok(Frame::data(chunk.into_bytes()))))
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.is_closed = true;
        let waiting = [state.crowded.take(), state.left.take()];
        drop(state);
        waiting.into_iter().flatten().for_each(Waker::wake);
    }
}
