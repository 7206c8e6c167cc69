//! The task of one session: owns its connection and its calls, and does what the machine says.
//!
//! It is polled as one future, so that a quiet session is one task, one timer and nothing else.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use http::request::Parts;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result};
use crate::hub::Rare;
use crate::identity::Over;
use crate::layer::last_words;
use crate::reasons::CloseReason;
use crate::session::breaker::Fate;
use crate::session::{ClientFrame, Close, Heart, Limits, Machine, Open, Ready, ServerFrame, Violation};

use super::super::lobby::{Carrier, Credentials, Stay};
use super::super::state::Shared;
use super::clock::{Clock, milliseconds, warning};
use super::ongoing::{Ongoing, State};
use super::reading::Reading;
use super::refusal::close_of;

/// So much is done at a time before others have their turn.
const ROUNDS: usize = 32;

/// A session.
pub struct Session {
    pub(super) front: Shared,
    pub(super) stay: Stay,
    pub(super) machine: Machine,
    pub(super) carrier: Option<Carrier>,
    /// Whom the breaker knows; none where it does not matter.
    pub(super) client: Option<String>,
    pub(super) credentials: Credentials,
    pub(super) head: Arc<Parts>,
    /// Boxed: a map has room for eleven where there is one.
    pub(super) calls: BTreeMap<u32, Box<Ongoing>>,
    /// Streams that went with their connection and that only this edge numbers: kept, so that they can be resumed.
    pub(super) shelved: Vec<Reading>,
    /// Channels that stand for calls of this session, as long as those are there.
    pub(super) channels: Vec<(u32, Weak<()>)>,
    /// Bytes of the client's messages that no backend has taken.
    pub(super) waiting: Arc<AtomicUsize>,
    /// A token that the client sent.
    pub(super) verifying: Option<BoxFuture<'static, Result<Credentials>>>,
    pub(super) heart: Heart,
    pub(super) clock: Clock,
    /// Wakes it for whatever comes from elsewhere than its calls.
    pub(super) rare: Rare,
    /// What ends a session from outside.
    pub(super) over: BoxFuture<'static, Ending>,
    pub(super) moments: Moments,
    /// The connection has carried a frame of the client behind its hello.
    pub(super) is_used: bool,
    /// It does not outlive its connection.
    pub(super) is_brief: bool,
    pub(super) is_over: bool,
}

/// When something is to be done.
#[derive(Debug, Default)]
pub(super) struct Moments {
    /// What was taken is acknowledged.
    pub(super) ack: Option<Instant>,
    /// Nobody came for it.
    pub(super) parked: Option<Instant>,
    /// The client is told that its token expires.
    pub(super) warning: Option<Instant>,
    /// The edge shuts down, and this is the session's turn.
    pub(super) leave: Option<Instant>,
    /// Shelved streams are let go.
    pub(super) shelf: Option<Instant>,
}

/// What ends a session from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Token(Over),
    Drain,
    TimeIsUp,
}

impl Session {
    /// A new session with its first connection, which is told that it is ready.
    pub fn new(
        front: Shared,
        stay: Stay,
        carrier: Carrier,
        client: Option<String>,
        credentials: Credentials,
    ) -> Self {
        let config = &front.config.sessions;
        let limits =
            Limits { calls: config.calls, unacked: config.unacked_bytes, grant: config.credit.max(1) };
        let head = Arc::clone(&credentials.head);
        let mut session = Self {
            machine: Machine::new(limits),
            carrier: Some(carrier),
            client,
            head,
            calls: BTreeMap::new(),
            shelved: Vec::new(),
            channels: Vec::new(),
            waiting: Arc::default(),
            verifying: None,
            heart: Heart::new(u64::from(milliseconds(config.heartbeat)), front.sessions.now()),
            clock: Clock::new(),
            rare: Rare::default(),
            over: Box::pin(std::future::pending()),
            moments: Moments::default(),
            is_used: false,
            is_brief: false,
            is_over: false,
            credentials,
            stay,
            front,
        };
        session.watch(true);
        session.greet();
        session
    }

    /// The same for a client that says nothing: it reads this stream, and the session ends with it.
    pub fn reading(mut self, open: Open) -> Self {
        self.is_brief = true;
        // The first call of a session breaks no rule.
        if let Err(violation) = self.take_frame(ClientFrame::Open(open)) {
            self.accuse(&violation);
        }
        self
    }

    /// Does all that can be done now; ready when the session is over.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..ROUNDS {
            // Mail, frames of the client and moments do not come with each event of a stream.
            let due = self.rare.due(cx);
            let mut rare = due.as_ref().map(Context::from_waker);
            // All of them, or nobody would wake it for the rest.
            let mut has_news = rare.as_mut().is_some_and(|cx| self.take_mail(cx) | self.hear(cx));
            let mut has_moved = self.run_calls(cx);
            has_news |= rare.as_mut().is_some_and(|cx| self.keep_time(cx));
            has_moved |= self.flush(cx);
            if has_news {
                self.rare.again();
            }
            if self.machine.is_spent() {
                self.close_carrier(Close::Unavailable, Close::Unavailable.name(), 0);
                self.end();
            }
            if self.is_over {
                return Poll::Ready(());
            }
            if !has_moved && !has_news {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Says that the connection is ready.
    pub(super) fn greet(&mut self) {
        let config = &self.front.config.sessions;
        let ready = Ready {
            session: self.stay.name.clone(),
            received: self.machine.received(),
            heartbeat_ms: milliseconds(config.heartbeat),
            resume_ms: milliseconds(config.park),
        };
        self.write(&ServerFrame::Ready(ready));
    }

    pub(super) fn write(&mut self, frame: &ServerFrame) {
        if let Some(carrier) = &mut self.carrier {
            carrier.write(frame);
        }
    }

    /// Looks after the present token. `drain`: and after a shutdown, which is heard of once.
    pub(super) fn watch(&mut self, drain: bool) {
        let standing = self.credentials.standing.clone();
        let begun = if drain { self.front.drain.begun().clone() } else { CancellationToken::new() };
        let time_is_up = last_words(&self.head.extensions);
        self.over = Box::pin(async move {
            tokio::select! {
                biased;
                () = begun.cancelled() => Ending::Drain,
                over = standing.over() => Ending::Token(over),
                () = time_is_up.cancelled() => Ending::TimeIsUp,
            }
        });
        self.moments.warning = warning(self.credentials.expires);
    }

    /// The connection is gone, in order where there is a code; the session waits for another.
    pub(super) fn lose_carrier(&mut self, code: Option<u16>) {
        let Some(carrier) = self.carrier.take() else { return };
        if let Some(client) = &self.client
            && !carrier.is_leg()
            && !self.is_used
            && code.is_none()
        {
            self.front.sessions.note(client, Fate::Failed);
        }
        if code.is_some() {
            // A close is answered (RFC 6455, section 5.5.1).
            carrier.leave(code, "", &self.front.sessions.tasks);
        }
        self.park();
    }

    /// Says why on the connection, closes it and parks the session.
    pub(super) fn close_carrier(&mut self, close: Close, reason: &str, reconnect_ms: u32) {
        let reason = reason.to_owned();
        self.write(&ServerFrame::Goaway { reconnect_ms, fallback: "", reason });
        self.leave(Some(close.code()), close.name());
        self.park();
    }

    /// Closes the connection, if there is one.
    pub(super) fn leave(&mut self, code: Option<u16>, reason: &str) {
        if let Some(carrier) = self.carrier.take() {
            carrier.leave(code, reason, &self.front.sessions.tasks);
        }
    }

    /// The client broke the rules.
    pub(super) fn accuse(&mut self, violation: &Violation) {
        self.front.sessions.counts.violations.up();
        tracing::debug!(close = violation.close.name(), %violation, "a session's client broke the rules");
        if let Some(client) = &self.client {
            self.front.sessions.note(client, Fate::Failed);
        }
        self.close_carrier(violation.close, &violation.message, 0);
    }

    /// Refuses what the client asked for, with the close that fits.
    pub(super) fn refuse(&mut self, error: &Error) {
        let (close, wait) = close_of(error);
        self.close_carrier(close, error.reason_text(), wait);
    }

    /// Whatever is open is cancelled.
    pub(super) fn end(&mut self) {
        self.calls.clear();
        self.shelved.clear();
        self.is_over = true;
    }

    fn park(&mut self) {
        self.drop_streams();
        self.verifying = None;
        self.moments.ack = None;
        self.moments.shelf = None;
        self.moments.parked = Instant::now().checked_add(self.front.config.sessions.park);
        let is_drained = self.front.drain.begun().is_cancelled();
        if self.is_brief || is_drained || !self.stay.park(self.machine.weight()) {
            self.end();
        }
    }

    /// Streams go with their connection.
    pub(super) fn drop_streams(&mut self) {
        for call in self.machine.detach() {
            if let Some(State::Stream(reading)) = self.calls.remove(&call).map(|call| call.state)
                && !reading.method.is_durable()
            {
                self.shelved.push(*reading);
            }
        }
    }
}

impl Future for Session {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let session = self.get_mut();
        if session.poll(cx).is_pending() {
            return Poll::Pending;
        }
        session.leave(Some(1000), "");
        // Whoever came for it at this moment is told that it is unknown.
        let _ = session.stay.mailbox.close();
        Poll::Ready(())
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("machine", &self.machine).finish_non_exhaustive()
    }
}

/// Why a session is asked to leave when the edge shuts down.
pub(super) fn drain_reason() -> &'static str {
    CloseReason::Drain.name()
}
