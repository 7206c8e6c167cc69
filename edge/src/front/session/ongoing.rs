//! A call of a session while it goes on: what it waits for, and what it says next.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use http::request::Parts;
use tokio::time::Instant;

use crate::error::Result;
use crate::hub::Entry;
use crate::session::{Encoding, Kind};
use crate::upstream::Reply;

use super::open::{Begun, Opening};
use super::reading::Reading;
use super::upload::Upload;

/// A call that goes on.
pub struct Ongoing {
    pub opening: Opening,
    pub encoding: Encoding,
    /// Where the client's messages go; none where it sends no more.
    pub upload: Option<Upload>,
    /// When it is over at the latest.
    pub deadline: Option<Instant>,
    /// The channel that the client was told of; 0 is none.
    pub channel: u32,
    pub state: State,
}

/// What a call waits for.
pub enum State {
    /// `again`: the client knows of it already.
    Opening {
        begun: BoxFuture<'static, Result<Begun>>,
        again: bool,
    },
    Stream(Box<Reading>),
    Answer(BoxFuture<'static, Result<Reply>>),
    Exchange(BoxStream<'static, Result<Bytes>>),
    Ended,
}

/// What a call says next.
#[derive(Debug)]
pub enum Said {
    Begun { again: bool },
    Entry(Arc<Entry>),
    Message(Bytes),
    Answer(Reply),
    End,
}

impl Ongoing {
    /// Whether it has not begun: then it needs nobody's leave to go on.
    pub fn is_opening(&self) -> bool {
        matches!(self.state, State::Opening { .. })
    }

    /// When its stream has lived as long as its rule allows.
    pub fn max_age(&self) -> Option<Instant> {
        match &self.state {
            State::Stream(reading) => reading.max_age,
            _ => None,
        }
    }

    /// What it says next; an error is its end.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Said>> {
        match &mut self.state {
            State::Opening { begun, again } => {
                let again = *again;
                let begun = ready!(begun.as_mut().poll(cx))?;
                self.state = match begun {
                    Begun::Stream(reading) => State::Stream(reading),
                    Begun::Ended => State::Ended,
                    Begun::Answer(answer) => State::Answer(answer),
                    Begun::Exchange(messages) => State::Exchange(messages),
                };
                Poll::Ready(Ok(Said::Begun { again }))
            }
            State::Stream(reading) => {
                let entry = ready!(reading.poll(cx))?;
                Poll::Ready(Ok(entry.map_or(Said::End, Said::Entry)))
            }
            State::Answer(answer) => answer.as_mut().poll(cx).map(|reply| reply.map(Said::Answer)),
            State::Exchange(messages) => match ready!(messages.poll_next_unpin(cx)) {
                Some(message) => Poll::Ready(message.map(Said::Message)),
                None => Poll::Ready(Ok(Said::End)),
            },
            State::Ended => Poll::Ready(Ok(Said::End)),
        }
    }

    /// Asks again whether the caller may read, with a new credential, and goes on where the stream stands.
    pub fn renew(&mut self, head: &Arc<Parts>) {
        self.opening.head = Arc::clone(head);
        if self.opening.kind != Kind::ServerStream {
            return;
        }
        let again = match &self.state {
            State::Stream(reading) => {
                if let Some(cursor) = reading.reader.token() {
                    Arc::make_mut(&mut self.opening.open).cursor = cursor;
                }
                true
            }
            State::Opening { again, .. } => *again,
            State::Answer(_) | State::Exchange(_) | State::Ended => return,
        };
        self.state = State::Opening { begun: Box::pin(self.opening.clone().begin(None)), again };
    }
}

impl std::fmt::Debug for Ongoing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ongoing")
            .field("opening", &self.opening)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Opening { .. } => "Opening",
            Self::Stream(_) => "Stream",
            Self::Answer(_) => "Answer",
            Self::Exchange(_) => "Exchange",
            Self::Ended => "Ended",
        })
    }
}
