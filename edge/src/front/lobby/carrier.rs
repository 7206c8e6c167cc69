//! What carries a session: a WebSocket, or an event stream with requests beside it.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio_util::task::TaskTracker;

use crate::deliver::websocket;
use crate::session::{ServerFrame, Violation};
use crate::transcode::sse;

use super::form::Form;
use super::pipe::Pipe;
use super::socket::Socket;

pub use super::socket::Heard;

/// One connection of a session.
#[derive(Debug)]
pub enum Carrier {
    Socket(Box<Socket>),
    Leg(Pipe),
}

impl Carrier {
    pub fn form(&self) -> Form {
        match self {
            Self::Socket(socket) => socket.form(),
            Self::Leg(pipe) => pipe.form(),
        }
    }

    pub fn is_leg(&self) -> bool {
        matches!(self, Self::Leg(_))
    }

    /// What is heard next.
    pub fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<Heard, Violation>> {
        match self {
            Self::Socket(socket) => socket.poll_read(cx),
            Self::Leg(pipe) => {
                ready!(pipe.poll_gone(cx));
                Poll::Ready(Ok(Heard::Gone(None)))
            }
        }
    }

    pub fn write(&mut self, frame: &ServerFrame) {
        self.queue(self.form().write(frame));
    }

    /// Bytes in the form of this carrier.
    pub fn queue(&mut self, bytes: Bytes) {
        match self {
            Self::Socket(socket) => socket.queue(bytes),
            Self::Leg(pipe) => pipe.queue(bytes),
        }
    }

    /// A sign of life, which is answered where that is possible.
    pub fn beat(&mut self) {
        match self {
            Self::Socket(socket) => {
                socket.queue(websocket::ping());
                self.write(&ServerFrame::Pong);
            }
            Self::Leg(pipe) => pipe.queue(Bytes::from_static(sse::HEARTBEAT.as_bytes())),
        }
    }

    /// Bytes that wait to be written.
    pub fn queued(&self) -> usize {
        match self {
            Self::Socket(socket) => socket.queued(),
            Self::Leg(pipe) => pipe.queued(),
        }
    }

    /// Writes what waits; ready when nothing does, and false when nothing can be written any more.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        match self {
            Self::Socket(socket) => socket.poll_flush(cx).map(|written| written.is_ok()),
            Self::Leg(pipe) => pipe.poll_flush(cx).map(|()| true),
        }
    }

    /// Says the last, with a code where there is room for one, and leaves; `tasks` wait for that.
    pub fn leave(self, code: Option<u16>, reason: &str, tasks: &TaskTracker) {
        // An event stream ends with its pipe.
        if let Self::Socket(mut socket) = self {
            socket.queue(websocket::close(code, reason));
            tasks.spawn(socket.bid_farewell());
        }
    }
}
