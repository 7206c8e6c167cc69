//! How a lasting stream leaves hyper: hyper writes the head, and the body is kept for whoever has the socket.
//!
//! hyper would keep two buffers for each connection, and go through all of its states for each event.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderValue, header};
use http_body::Frame;

use crate::socket::Socket;

/// Marks the answer whose body lasts.
#[derive(Debug, Clone, Copy)]
pub struct Lasting;

/// Where a body waits until its head is written.
#[derive(Debug, Clone)]
pub struct Handover(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    socket: Socket,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    /// Nothing lasts.
    Idle,
    /// hyper is to write its head.
    Kept(Body),
    /// The head is written when the socket has been flushed once more than so often.
    Written(Body, usize),
}

/// What hyper writes instead: nothing, for ever.
struct Silent(Handover);

impl Handover {
    /// Of one connection.
    pub fn new(socket: Socket) -> Self {
        Self(Arc::new(Inner { socket, state: Mutex::new(State::Idle) }))
    }

    /// Keeps the body of an answer that lasts. Nothing follows it on this connection.
    pub fn keep(&self, response: Response) -> Response {
        let (mut head, body) = response.into_parts();
        if head.extensions.remove::<Lasting>().is_none() {
            return Response::from_parts(head, body);
        }
        head.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        self.set(State::Kept(body));
        Response::from_parts(head, Body::new(Silent(self.clone())))
    }

    /// The body, as soon as its head is on the way.
    pub fn take(&self) -> Option<Body> {
        match self.set(State::Idle) {
            State::Written(body, before) if self.0.socket.flushes() != before => Some(body),
            other => {
                self.set(other);
                None
            }
        }
    }

    fn set(&self, state: State) -> State {
        std::mem::replace(&mut *self.0.state.lock().unwrap_or_else(PoisonError::into_inner), state)
    }
}

impl http_body::Body for Silent {
    type Data = Bytes;
    type Error = Infallible;

    /// hyper asks for the body when the head is in its buffer.
    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let flushes = self.0.0.socket.flushes();
        match self.0.set(State::Idle) {
            State::Kept(body) => self.0.set(State::Written(body, flushes)),
            other => self.0.set(other),
        };
        Poll::Pending
    }
}
