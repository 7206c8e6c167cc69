//! What is handed to a session from outside: connections, and frames that came by request.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Context;

use futures_util::task::AtomicWaker;
use tokio::sync::oneshot;

use crate::hub::Reading;
use crate::session::{ClientFrame, Hello};

use super::carrier::Carrier;
use super::credentials::Credentials;

/// What is handed over.
#[derive(Debug)]
pub enum Mail {
    /// A newer connection.
    Resume(Box<Resume>),
    /// Frames beside an event stream; `first` is the number of the first counted one.
    Post { first: u32, frames: Vec<ClientFrame>, answer: oneshot::Sender<Result<u32, Refused>> },
}

/// A connection that takes over a session.
#[derive(Debug)]
pub struct Resume {
    pub carrier: Carrier,
    /// Whom the breaker knows; none where it does not matter.
    pub client: Option<String>,
    pub hello: Hello,
    pub credentials: Credentials,
}

/// Why frames by request are not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// They do not follow on what the session has; the number of the last frame that it has.
    Ahead(u32),
    /// The session has another carrier than an event stream.
    Superseded,
    /// A frame breaks the rules.
    Violation(String),
}

/// The mailbox of one session.
#[derive(Debug)]
pub struct Mailbox {
    /// Who the session is for.
    pub identity: Reading,
    // Held for a few lines, never across an await.
    state: Mutex<State>,
    waker: AtomicWaker,
}

#[derive(Debug, Default)]
struct State {
    mails: Vec<Mail>,
    is_closed: bool,
}

impl Mailbox {
    pub fn new(identity: Reading) -> Self {
        Self { identity, state: Mutex::default(), waker: AtomicWaker::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands something over.
    ///
    /// # Errors
    /// Gives it back when the session is over.
    pub fn send(&self, mail: Mail) -> Result<(), Mail> {
        let mut state = self.lock();
        if state.is_closed {
            return Err(mail);
        }
        state.mails.push(mail);
        drop(state);
        self.waker.wake();
        Ok(())
    }

    /// Wakes the session.
    pub fn wake(&self) {
        self.waker.wake();
    }

    /// What was handed over; whoever asks is woken by the next.
    pub fn take(&self, cx: &Context<'_>) -> Vec<Mail> {
        self.waker.register(cx.waker());
        std::mem::take(&mut self.lock().mails)
    }

    /// Takes nothing more; false when something lies there.
    pub fn close(&self) -> bool {
        let mut state = self.lock();
        let is_empty = state.mails.is_empty();
        state.is_closed |= is_empty;
        is_empty
    }
}
