//! What a session hears, and what it does about it: frames, new connections, frames by request.

use std::cmp::Ordering;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::Instant;

use crate::error::{Code, Error};
use crate::error_style::ErrorStyle;
use crate::hub::Reading as Who;
use crate::schema::Schema;
use crate::session::breaker::Fate;
use crate::session::frame::Credential;
use crate::session::{Action, ClientFrame, Close, Encoding, End, Hello, Kind, Open, Payload, Violation};
use crate::transcode::ReadOptions;

use super::super::lobby::mailbox::Resume;
use super::super::lobby::{Carrier, Credentials, Heard, Mail, Refused};
use super::ongoing::{Ongoing, State};
use super::open::Opening;
use super::payload;
use super::refusal::{goaway, refuse};
use super::session::Session;
use super::upload::upload;
use super::verify::verify;

/// Frames that are heard at a time before calls have their turn.
const AT_ONCE: usize = 64;
/// While so much waits to be written, nothing is heard: what is heard is answered.
const BACKLOG: usize = 64 * 1024;
/// What was taken is acknowledged within this time.
const ACK_WITHIN: Duration = Duration::from_secs(1);
/// How long a stream that only this edge numbers is kept for a client that has come back.
const SHELF: Duration = Duration::from_secs(5);

impl Session {
    /// Hears what the connection says; whether there was anything.
    pub(super) fn hear(&mut self, cx: &mut Context<'_>) -> bool {
        for count in 0..AT_ONCE {
            let Some(carrier) = &mut self.carrier else { return count > 0 };
            if carrier.queued() >= BACKLOG {
                // Nobody wakes it for what it has not asked for.
                self.rare.again();
                return count > 0;
            }
            match carrier.poll_read(cx) {
                Poll::Pending => return count > 0,
                Poll::Ready(Ok(Heard::Frame(frame))) => {
                    self.alive();
                    self.is_used = true;
                    if let Err(violation) = self.take_frame(frame) {
                        self.accuse(&violation);
                    }
                }
                Poll::Ready(Ok(Heard::Life)) => self.alive(),
                // It left for good.
                Poll::Ready(Ok(Heard::Gone(Some(1000)))) => {
                    self.leave(Some(1000), "");
                    self.end();
                }
                Poll::Ready(Ok(Heard::Gone(code))) => self.lose_carrier(code),
                Poll::Ready(Err(violation)) => self.accuse(&violation),
            }
            if self.is_over {
                return true;
            }
        }
        true
    }

    /// A sign of life. One that answers a heartbeat shows that the connection is good.
    fn alive(&mut self) {
        if self.heart.is_waiting()
            && let Some(client) = &self.client
        {
            self.front.sessions.note(client, Fate::Well);
        }
        self.heart.hear();
    }

    pub(super) fn take_frame(&mut self, frame: ClientFrame) -> Result<(), Violation> {
        let schema = self.front.schema.load_full();
        let mut actions = Vec::new();
        self.machine.take(frame, |name| kind(schema.as_deref()?, name), &mut actions)?;
        if self.machine.owes_ack() && self.moments.ack.is_none() {
            self.moments.ack = Some(Instant::now() + ACK_WITHIN);
        }
        self.act(actions);
        Ok(())
    }

    /// Does what the machine says.
    pub(super) fn act(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Write(frame) => self.write(&frame),
                Action::Open(kind, open) => self.open(kind, open),
                Action::Send { call, payload } => self.send(call, payload.as_ref()),
                Action::HalfClose(call) => {
                    if let Some(ongoing) = self.calls.get_mut(&call) {
                        ongoing.upload = None;
                    }
                }
                Action::Cancel(call) => drop(self.calls.remove(&call)),
                Action::Verify(token) => {
                    let (front, head) = (Arc::clone(&self.front), Arc::clone(&self.head));
                    let credential = Credential::Token(token);
                    self.verifying =
                        Some(Box::pin(async move { verify(&front, &head, Some(&credential)).await }));
                }
            }
        }
    }

    fn open(&mut self, kind: Kind, open: Open) {
        let found = self.front.schema.load_full().and_then(|schema| {
            let method = Arc::clone(schema.methods.get(&open.method)?);
            Some((schema, method))
        });
        let call = open.call;
        // It was there a moment ago.
        let Some((schema, method)) = found else {
            return self
                .fail(call, &Error::new(Code::Unimplemented, "METHOD_UNKNOWN", "The method is gone."));
        };
        let carried = self.carrier.as_ref().map(|carrier| carrier.form().encoding());
        let encoding = open.encoding.or(carried).unwrap_or(Encoding::Json);
        let first = match (kind.uploads(), &open.payload) {
            (true, Some(_)) => match payload::read(&method, self.options(), open.payload.as_ref()) {
                Ok(first) => Some(first),
                Err(error) => return self.fail(call, &error),
            },
            _ => None,
        };
        let (sending, messages) = if kind.uploads() {
            let (sending, messages) =
                upload(first, Arc::clone(&self.waiting), Arc::clone(&self.stay.mailbox));
            (Some(sending), Some(messages.boxed()))
        } else {
            (None, None)
        };
        let timeout = (open.timeout_ms > 0).then(|| Duration::from_millis(open.timeout_ms.into()));
        let opening = Opening {
            front: Arc::clone(&self.front),
            schema,
            method,
            kind,
            head: Arc::clone(&self.head),
            open: Arc::new(open),
        };
        let begun = Box::pin(opening.clone().begin(messages));
        let ongoing = Ongoing {
            opening,
            encoding,
            upload: sending,
            deadline: timeout.and_then(|timeout| Instant::now().checked_add(timeout)),
            channel: 0,
            state: State::Opening { begun, again: false },
        };
        self.calls.insert(call, Box::new(ongoing));
    }

    fn send(&mut self, call: u32, payload: Option<&Payload>) {
        let options = self.options();
        let Some(ongoing) = self.calls.get_mut(&call) else { return };
        let read = payload::read(&ongoing.opening.method, options, payload);
        let waiting = self.waiting.load(Relaxed);
        match read {
            Ok(message) if waiting + message.len() > self.front.config.sessions.upload_bytes => {
                let message = "The backend does not keep up, and the session holds as many bytes as \
                               `sessions.upload_bytes` allows. Wait for `credit` between large messages.";
                self.fail(call, &Error::new(Code::ResourceExhausted, "CREDIT_EXCEEDED", message));
            }
            Ok(message) => ongoing.upload.iter().for_each(|upload| upload.send(message.clone())),
            // Ended, it would look complete: so it is cancelled.
            Err(error) => self.fail(call, &error),
        }
    }

    /// Cancels a call and ends it with an error.
    pub(super) fn fail(&mut self, call: u32, error: &Error) {
        self.calls.remove(&call);
        let known = ErrorStyle::of(&self.front.config).known(error);
        let mut actions = Vec::new();
        self.machine.end(End::failed(call, &known), &mut actions);
        self.act(actions);
    }

    fn options(&self) -> ReadOptions {
        ReadOptions::from(&self.front.config.rest)
    }

    /// Takes what was handed over; whether there was anything.
    pub(super) fn take_mail(&mut self, cx: &Context<'_>) -> bool {
        let mails = self.stay.mailbox.take(cx);
        let is_empty = mails.is_empty();
        for mail in mails {
            match mail {
                Mail::Resume(resume) => self.resume(*resume),
                Mail::Post { first, frames, answer } => {
                    // Whoever asked may have gone.
                    let _ = answer.send(self.take_post(first, frames));
                }
            }
        }
        !is_empty
    }

    /// A newer connection takes over.
    fn resume(&mut self, resume: Resume) {
        let Resume { carrier, client, hello, credentials } = resume;
        let (close, reason) = match self.machine.compare(hello.received) {
            Ordering::Equal => return self.go_on(carrier, client, &hello, credentials),
            Ordering::Less => (Close::Unknown, Close::Unknown.name()),
            Ordering::Greater => (Close::Protocol, "`hello.received` names a frame that was not sent yet."),
        };
        refuse(&self.front, carrier, close, &goaway(reason, 0, ""));
    }

    fn go_on(&mut self, carrier: Carrier, client: Option<String>, hello: &Hello, credentials: Credentials) {
        if self.carrier.is_some() {
            self.front.sessions.counts.superseded.up();
            self.close_carrier(Close::Superseded, Close::Superseded.name(), 0);
            if self.is_over {
                carrier.leave(
                    Some(Close::Unavailable.code()),
                    Close::Unavailable.name(),
                    &self.front.sessions.tasks,
                );
                return;
            }
        }
        // A request beside the event stream may have opened some while there was no connection.
        self.drop_streams();
        self.front.sessions.counts.resumed.up();
        self.stay.unpark();
        self.moments.parked = None;
        self.moments.shelf = (!self.shelved.is_empty()).then(|| Instant::now() + SHELF);
        (self.carrier, self.client, self.is_used) = (Some(carrier), client, false);
        self.heart.begin(self.front.sessions.now());
        self.adopt(credentials);
        self.greet();
        let mut actions = Vec::new();
        self.machine.attach(hello.received, &mut actions);
        self.act(actions);
    }

    /// Calls are made with these from now on.
    pub(super) fn adopt(&mut self, credentials: Credentials) {
        self.head = Arc::clone(&credentials.head);
        self.credentials = credentials;
        self.watch(self.moments.leave.is_none());
        for ongoing in self.calls.values_mut() {
            ongoing.renew(&self.head);
        }
    }

    /// A new token must be of the same caller, where that can be told.
    pub(super) fn is_same_caller(&self, identity: &Who) -> bool {
        matches!(identity, Who::Credential(_)) || *identity == self.credentials.identity
    }

    /// Frames by request: those that came before are passed over.
    fn take_post(&mut self, first: u32, frames: Vec<ClientFrame>) -> Result<u32, Refused> {
        if self.carrier.as_ref().is_some_and(|carrier| !carrier.is_leg()) {
            return Err(Refused::Superseded);
        }
        let received = self.machine.received();
        if first > received.saturating_add(1) {
            return Err(Refused::Ahead(received));
        }
        self.alive();
        let mut number = first;
        for frame in frames {
            if frame.is_counted() {
                let is_new = number > self.machine.received();
                number = number.saturating_add(1);
                if !is_new {
                    continue;
                }
            }
            if let Err(violation) = self.take_frame(frame) {
                self.accuse(&violation);
                return Err(Refused::Violation(violation.message));
            }
        }
        Ok(self.machine.received())
    }
}

fn kind(schema: &Schema, name: &str) -> Option<Kind> {
    let descriptor = &schema.methods.get(name)?.descriptor;
    Some(Kind::of(descriptor.is_client_streaming(), descriptor.is_server_streaming()))
}
