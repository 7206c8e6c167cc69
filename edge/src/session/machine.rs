//! A whole session: calls, credit, and frames that are counted on both sides.
//!
//! What holds in whatever order frames, cuts and ticks come (the tests below try them out):
//! - Every counted frame of the client is taken once, in order; every counted frame of the edge reaches the client once.
//! - Every call that is opened gets one `end`, but for streams with a cursor whose connection is gone: those are opened
//!   again by whoever reads them.
//! - What was not acknowledged is bounded: while there is a connection, the oldest of it is forgotten, and who missed that
//!   cannot resume; while there is none, calls are not asked for more.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use crate::error::{Code, Error};

use super::call::{Call, Kind};
use super::close::Violation;
use super::frame::{ClientFrame, End, Message, Open, Opened, Payload, ServerFrame};
use super::outbox::Outbox;

/// Acknowledges at least every so many frames.
const ACK_EVERY: u32 = 16;

/// What one session may hold.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Calls at once.
    pub calls: usize,
    /// Bytes of frames that were not acknowledged, and one frame.
    pub unacked: usize,
    /// Messages of a call that the client may send ahead.
    pub grant: u32,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    Write(ServerFrame),
    Open(Kind, Open),
    Send {
        call: u32,
        payload: Option<Payload>,
    },
    HalfClose(u32),
    /// Nobody waits for it any more.
    Cancel(u32),
    /// The client has a new token.
    Verify(String),
}

/// A session.
#[derive(Debug)]
pub struct Machine {
    limits: Limits,
    outbox: Outbox,
    /// Counted frames of the client that were taken.
    received: u32,
    /// What of that the client was told.
    told: u32,
    calls: HashMap<u32, Call>,
    /// Streams with a cursor that went with their connection: their numbers may be opened once more.
    left: HashSet<u32>,
    /// The highest number of a call so far.
    highest: u32,
    is_attached: bool,
    /// There are no numbers left.
    is_spent: bool,
}

impl Machine {
    /// A session whose first connection is there.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            outbox: Outbox::default(),
            received: 0,
            told: 0,
            calls: HashMap::new(),
            left: HashSet::new(),
            highest: 0,
            is_attached: true,
            is_spent: false,
        }
    }

    /// Whether there are no numbers left: after 4 billion frames it is time for a new session.
    pub fn is_spent(&self) -> bool {
        self.is_spent
    }

    /// The number of the last frame of the client that was taken.
    pub fn received(&self) -> u32 {
        self.received
    }

    /// Bytes of what the client has not acknowledged.
    pub fn weight(&self) -> usize {
        self.outbox.weight()
    }

    /// Calls that have not ended.
    pub fn calls(&self) -> usize {
        self.calls.len()
    }

    /// Whether calls are open that no cursor can resume.
    pub fn has_bound_calls(&self) -> bool {
        self.calls.values().any(|call| call.kind != Kind::ServerStream)
    }

    /// Whether the client has not heard yet what was taken.
    pub fn owes_ack(&self) -> bool {
        self.told != self.received
    }

    /// Whether a call may send a message now. While there is no connection, as much is kept as may be; else it is up to the
    /// connection.
    pub fn may_send(&self, call: u32) -> bool {
        let has_room = self.is_attached || self.outbox.weight() < self.limits.unacked;
        has_room && self.calls.get(&call).is_some_and(Call::may_send)
    }

    /// Takes a frame of the client; `kind` says what kind of method one is, `None` when there is no such method.
    ///
    /// # Errors
    /// What the client did wrong, where that is no matter of one call.
    pub fn take(
        &mut self,
        frame: ClientFrame,
        kind: impl FnOnce(&str) -> Option<Kind>,
        out: &mut Vec<Action>,
    ) -> Result<(), Violation> {
        if frame.is_counted() {
            let next = self.received.checked_add(1);
            self.received = next.ok_or_else(|| Violation::protocol("The session has no numbers left."))?;
        }
        match frame {
            ClientFrame::Hello(_) => {
                return Err(Violation::protocol("`hello` is the first frame of a connection and no other."));
            }
            ClientFrame::Open(open) => self.open(open, kind, out)?,
            ClientFrame::Send { call, payload } => {
                if let Some(found) = self.find(call)? {
                    match found.take() {
                        Ok(()) => out.push(Action::Send { call, payload }),
                        Err(error) => self.abort(call, &error, out),
                    }
                }
            }
            ClientFrame::HalfClose { call } => {
                if let Some(found) = self.find(call)? {
                    match found.half_close() {
                        Ok(true) => out.push(Action::HalfClose(call)),
                        Ok(false) => {}
                        Err(error) => self.abort(call, &error, out),
                    }
                }
            }
            ClientFrame::Cancel { call } => {
                if self.find(call)?.is_some() {
                    let error = Error::new(Code::Cancelled, "CANCELLED", "The client cancelled the call.");
                    self.abort(call, &error, out);
                }
            }
            ClientFrame::Credit { call, messages } => {
                let given = self.find(call)?.map_or(Ok(()), |found| found.credit(messages));
                if let Err(error) = given {
                    self.abort(call, &error, out);
                }
            }
            ClientFrame::Auth { token } => out.push(Action::Verify(token)),
            ClientFrame::Ack { received } => {
                let told = self.outbox.ack(received);
                told.map_err(|_| Violation::protocol("`ack` names a frame that was not sent yet."))?;
            }
            ClientFrame::Ping => self.write(ServerFrame::Pong, out),
        }
        if self.received - self.told >= ACK_EVERY {
            self.tick(out);
        }
        Ok(())
    }

    /// Now and then: acknowledges what was taken.
    pub fn tick(&mut self, out: &mut Vec<Action>) {
        if self.is_attached && self.owes_ack() {
            self.told = self.received;
            self.write(ServerFrame::Ack { received: self.received }, out);
        }
    }

    /// The connection is gone. Gives the streams that went with it: they have a cursor.
    pub fn detach(&mut self) -> Vec<u32> {
        self.is_attached = false;
        let streams: Vec<u32> = self
            .calls
            .iter()
            .filter(|(_, call)| call.kind == Kind::ServerStream)
            .map(|(call, _)| *call)
            .collect();
        if self.left.len() >= self.limits.calls {
            self.left.clear();
        }
        for call in &streams {
            self.calls.remove(call);
            self.left.insert(*call);
        }
        streams
    }

    /// Whether a client that has this many frames can go on: less, and what follows is gone; greater, and it cannot have
    /// so many.
    pub fn compare(&self, received: u32) -> Ordering {
        self.outbox.compare(received)
    }

    /// A new connection is there, whose client has this many frames: sends it what follows. To be called after
    /// [`detach`](Self::detach); `ready` with [`received`](Self::received) goes first.
    pub fn attach(&mut self, received: u32, out: &mut Vec<Action>) {
        self.is_attached = true;
        self.told = self.received;
        out.extend(self.outbox.resume(received).map(|frame| Action::Write(frame.clone())));
    }

    /// The call has begun. More of it later tells of a gap.
    pub fn opened(&mut self, opened: Opened, out: &mut Vec<Action>) {
        let (call, grant) = (opened.call, self.limits.grant);
        let Some(found) = self.calls.get(&call) else { return };
        let uploads = found.kind.uploads();
        self.write(ServerFrame::Opened(opened), out);
        if uploads {
            self.write(ServerFrame::Credit { call, messages: grant }, out);
        }
    }

    /// A message of the call, which is counted.
    pub fn message(&mut self, call: u32, message: Message, out: &mut Vec<Action>) {
        if let Some(found) = self.calls.get_mut(&call) {
            found.send();
            self.write(ServerFrame::Message(message), out);
        }
    }

    /// A message of a stream with a cursor was written; it is not kept.
    pub fn streamed(&mut self, call: u32) {
        if let Some(found) = self.calls.get_mut(&call) {
            found.send();
        }
    }

    /// A message of the client was passed on.
    pub fn passed(&mut self, call: u32, out: &mut Vec<Action>) {
        if let Some(messages) = self.calls.get_mut(&call).and_then(Call::pass) {
            self.write(ServerFrame::Credit { call, messages }, out);
        }
    }

    /// The call has ended.
    pub fn end(&mut self, end: End, out: &mut Vec<Action>) {
        if self.calls.remove(&end.call).is_some() {
            self.write(ServerFrame::End(end), out);
        }
    }

    /// Says something about the connection.
    pub fn tell(&mut self, frame: ServerFrame, out: &mut Vec<Action>) {
        self.write(frame, out);
    }

    fn open(
        &mut self,
        open: Open,
        kind: impl FnOnce(&str) -> Option<Kind>,
        out: &mut Vec<Action>,
    ) -> Result<(), Violation> {
        let call = open.call;
        if call == 0 {
            return Err(Violation::protocol("Calls are numbered from 1."));
        }
        if call <= self.highest && !self.left.remove(&call) {
            let message = format!("Call {call} was opened already, or a later one was: numbers ascend.");
            return Err(Violation::protocol(message));
        }
        self.highest = self.highest.max(call);
        if self.calls.len() >= self.limits.calls {
            let message = format!(
                "The session has {} calls open. End some, or raise `sessions.calls`.",
                self.calls.len()
            );
            self.refuse(call, &Error::new(Code::ResourceExhausted, "CALLS_EXHAUSTED", message), out);
        } else if let Some(kind) = kind(&open.method) {
            self.calls.insert(call, Call::new(kind, open.credit, self.limits.grant));
            out.push(Action::Open(kind, open));
        } else {
            let message = format!("The backend has no method `{}`.", open.method);
            self.refuse(call, &Error::new(Code::Unimplemented, "METHOD_UNKNOWN", message), out);
        }
        Ok(())
    }

    /// The call of a frame; `None` when it is over, which the client may not know yet.
    fn find(&mut self, call: u32) -> Result<Option<&mut Call>, Violation> {
        if call == 0 || call > self.highest {
            return Err(Violation::protocol(format!("Call {call} was never opened.")));
        }
        Ok(self.calls.get_mut(&call))
    }

    fn refuse(&mut self, call: u32, error: &Error, out: &mut Vec<Action>) {
        self.write(ServerFrame::End(End::failed(call, error)), out);
    }

    fn abort(&mut self, call: u32, error: &Error, out: &mut Vec<Action>) {
        out.push(Action::Cancel(call));
        self.end(End::failed(call, error), out);
    }

    fn write(&mut self, frame: ServerFrame, out: &mut Vec<Action>) {
        if frame.is_counted() && !self.outbox.push(frame.clone()) {
            self.is_spent = true;
            return;
        }
        if self.is_attached {
            // Whoever acknowledges late has most likely had the oldest of it.
            self.outbox.shed(self.limits.unacked);
            out.push(Action::Write(frame));
        }
    }
}
