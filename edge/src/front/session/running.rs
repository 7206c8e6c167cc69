//! What a session's calls say, and what it does when their time comes.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use crate::error::{Code, Error, Result};
use crate::error_style::ErrorStyle;
use crate::identity::Over;
use crate::session::breaker::Fate;
use crate::session::{
    Action, Beat, Close, End, Kind, Message, OpenOutcome, Opened, Payload, ServerFrame, Target,
};
use crate::upstream::{late, metadata};

use super::super::lobby::ENOUGH;
use super::clock::{left, milliseconds};
use super::items::{Written, written};
use super::ongoing::{Ongoing, Said, State};
use super::payload;
use super::reading::Reading;
use super::session::{Ending, Moments, Session, drain_reason};

/// What one call may say at a time before others have their turn.
const AT_ONCE: usize = 16;
/// After its turn in a shutdown, a session stays so long, for its client to be ready elsewhere.
const OVERLAP: Duration = Duration::from_secs(1);

impl Session {
    /// Lets each call say what it can; whether there was anything.
    pub(super) fn run_calls(&mut self, cx: &mut Context<'_>) -> bool {
        let mut has_moved = false;
        let mut calls = std::mem::take(&mut self.calls);
        calls.retain(|call, ongoing| {
            has_moved |= self.pass(*call, ongoing);
            for _ in 0..AT_ONCE {
                let is_full = self.carrier.as_ref().is_some_and(|carrier| carrier.queued() >= ENOUGH);
                if is_full || !(ongoing.is_opening() || self.machine.may_send(*call)) {
                    return true;
                }
                match ongoing.poll(cx) {
                    Poll::Pending => return true,
                    Poll::Ready(said) => {
                        has_moved = true;
                        if !self.say(*call, ongoing, said) {
                            return false;
                        }
                    }
                }
            }
            true
        });
        self.calls = calls;
        let has_grown = has_moved && self.carrier.is_none();
        if self.is_brief && self.calls.is_empty() || has_grown && !self.stay.park(self.machine.weight()) {
            self.end();
        }
        has_moved
    }

    /// Writes what waits; whether that makes a difference to others.
    pub(super) fn flush(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(carrier) = &mut self.carrier else { return false };
        let was_full = carrier.queued() >= ENOUGH;
        if carrier.poll_flush(cx) == Poll::Ready(false) {
            self.lose_carrier(None);
            self.rare.again();
            return true;
        }
        // Calls that were passed over have asked for nobody to wake them.
        was_full && carrier.queued() < ENOUGH
    }

    /// Gives credit for what the backend has taken.
    fn pass(&mut self, call: u32, ongoing: &Ongoing) -> bool {
        let passed = ongoing.upload.as_ref().map_or(0, |upload| upload.passed());
        let mut actions = Vec::new();
        (0..passed).for_each(|_| self.machine.passed(call, &mut actions));
        let has_moved = !actions.is_empty();
        self.act(actions);
        has_moved
    }

    /// Passes on what a call says; false when that was the last of it.
    fn say(&mut self, call: u32, ongoing: &mut Ongoing, said: Result<Said>) -> bool {
        let mut actions = Vec::new();
        let mut goes_on = true;
        if !matches!(said, Ok(Said::Entry(_))) {
            // The moments of its calls are others now.
            self.rare.again();
        }
        match said {
            Ok(Said::Begun { again }) => self.begun(call, ongoing, again, &mut actions),
            Ok(Said::Entry(entry)) => {
                if let (State::Stream(reading), Some(carrier)) = (&ongoing.state, &mut self.carrier) {
                    match written(call, reading, &entry, carrier.form(), ongoing.encoding) {
                        Written::Bytes { bytes, counts } => {
                            carrier.queue(bytes);
                            if counts {
                                self.machine.streamed(call);
                            }
                        }
                        Written::Gap(opened) => self.machine.opened(opened, &mut actions),
                    }
                }
            }
            Ok(Said::Message(message)) => {
                match payload::write(&ongoing.opening.method, ongoing.encoding, &message) {
                    Ok(payload) => self.machine.message(call, single(call, payload), &mut actions),
                    Err(error) => {
                        self.machine.end(End::failed(call, &self.known(&error)), &mut actions);
                        goes_on = false;
                    }
                }
            }
            Ok(Said::Answer(reply)) => {
                goes_on = false;
                match payload::write(&ongoing.opening.method, ongoing.encoding, &reply.message) {
                    Ok(payload) => {
                        self.machine.message(call, single(call, payload), &mut actions);
                        let shown = metadata::show(&reply.metadata, &self.front.response_headers);
                        let text = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
                            Some((name.to_string(), value.to_str().ok()?.to_owned()))
                        };
                        let trailers = shown.iter().filter_map(text).collect();
                        self.machine.end(End { trailers, ..End::ok(call) }, &mut actions);
                    }
                    Err(error) => self.machine.end(End::failed(call, &self.known(&error)), &mut actions),
                }
            }
            Ok(Said::End) => {
                self.machine.end(End::ok(call), &mut actions);
                goes_on = false;
            }
            Err(error) => {
                self.machine.end(End::failed(call, &self.known(&error)), &mut actions);
                goes_on = false;
            }
        }
        self.act(actions);
        goes_on
    }

    /// A call has begun: all but unary ones say so.
    fn begun(&mut self, call: u32, ongoing: &mut Ongoing, again: bool, actions: &mut Vec<Action>) {
        let opened = match &mut ongoing.state {
            State::Stream(reading) => {
                self.claim(reading, again.then_some(ongoing.channel));
                ongoing.channel = reading.channel.as_ref().map_or(0, |channel| channel.number);
                if again && !reading.has_gap() {
                    return;
                }
                reading.opened(call)
            }
            _ if ongoing.opening.kind == Kind::Unary => return,
            State::Ended => opened(call, OpenOutcome::Resumed),
            _ => opened(call, OpenOutcome::None),
        };
        self.machine.opened(opened, actions);
    }

    /// A channel stands for one call of a session; another that reads the same has bytes of its own. So has one whose
    /// client was told of another channel.
    fn claim(&mut self, reading: &mut Reading, told: Option<u32>) {
        let Some(channel) = &reading.channel else { return };
        let number = channel.number;
        self.channels.retain(|(_, claim)| claim.strong_count() > 0);
        let is_taken = self.channels.iter().any(|(taken, _)| *taken == number);
        if is_taken || told.is_some_and(|told| told != number) {
            reading.channel = None;
            return;
        }
        let claim = Arc::new(());
        self.channels.push((number, Arc::downgrade(&claim)));
        reading.claim = Some(claim);
    }

    fn known(&self, error: &Error) -> Error {
        ErrorStyle::of(&self.front.config).known(error)
    }

    /// Does what it is time for; whether there was anything.
    pub(super) fn keep_time(&mut self, cx: &mut Context<'_>) -> bool {
        let mut has_moved = self.poll_over(cx);
        has_moved |= self.poll_verified(cx);
        let now = Instant::now();
        has_moved |= self.beat();
        let is_due = |moment: Option<Instant>| moment.is_some_and(|at| at <= now);
        if is_due(self.moments.ack) {
            self.moments.ack = None;
            let mut actions = Vec::new();
            self.machine.tick(&mut actions);
            self.act(actions);
            has_moved = true;
        }
        if is_due(self.moments.shelf) {
            self.moments.shelf = None;
            self.shelved.clear();
        }
        if is_due(self.moments.parked) && self.carrier.is_none() && self.stay.mailbox.close() {
            self.end();
            return true;
        }
        if is_due(self.moments.warning) {
            self.moments.warning = None;
            let expires_ms = left(self.credentials.expires).map_or(0, milliseconds);
            self.write(&ServerFrame::AuthExpiring { expires_ms });
            has_moved = true;
        }
        if is_due(self.moments.leave) && !self.machine.has_bound_calls() {
            self.close_carrier(Close::Unavailable, drain_reason(), 0);
            self.end();
            return true;
        }
        has_moved |= self.end_late_calls(now);
        let calls = self.calls.values().flat_map(|ongoing| [ongoing.deadline, ongoing.max_age()]);
        let next_call = calls.flatten().min();
        let heart = self.carrier.is_some().then(|| {
            let wait = self.heart.next().saturating_sub(self.front.sessions.now());
            now + Duration::from_millis(wait)
        });
        // Past its turn, a session waits for the end of its calls, which wakes it.
        let leave = self.moments.leave.filter(|at| *at > now);
        let Moments { ack, parked, warning, shelf, .. } = self.moments;
        let moments = [ack, parked, warning, shelf, leave, heart, next_call];
        has_moved | self.clock.poll(cx, moments).is_ready()
    }

    fn beat(&mut self) -> bool {
        if self.carrier.is_none() {
            return false;
        }
        match self.heart.tick(self.front.sessions.now()) {
            None => false,
            Some(Beat::Ping) => {
                let Some(carrier) = &mut self.carrier else { return false };
                if carrier.is_leg() {
                    // Nothing can answer there.
                    self.heart.hear();
                }
                carrier.beat();
                true
            }
            Some(Beat::Dead) => {
                if let Some(client) = &self.client {
                    self.front.sessions.note(client, Fate::Silent);
                }
                self.close_carrier(Close::Silent, Close::Silent.name(), 0);
                true
            }
        }
    }

    fn end_late_calls(&mut self, now: Instant) -> bool {
        let is_due = |moment: Option<Instant>| moment.is_some_and(|at| at <= now);
        if self.calls.is_empty() {
            return false;
        }
        let due: Vec<(u32, bool)> = self
            .calls
            .iter()
            .filter(|(_, ongoing)| is_due(ongoing.deadline) || is_due(ongoing.max_age()))
            .map(|(call, ongoing)| (*call, is_due(ongoing.deadline)))
            .collect();
        for (call, is_late) in &due {
            let closed = || {
                let message =
                    "The stream has lived as long as its rule allows. Open it again with its cursor.";
                Error::new(Code::Unavailable, "STREAM_CLOSED", message)
            };
            self.fail(*call, &if *is_late { late() } else { closed() });
        }
        !due.is_empty()
    }

    fn poll_over(&mut self, cx: &mut Context<'_>) -> bool {
        let Poll::Ready(ending) = self.over.as_mut().poll(cx) else { return false };
        self.over = Box::pin(std::future::pending());
        match ending {
            Ending::Drain => {
                if self.carrier.is_none() {
                    self.end();
                    return true;
                }
                let turn = self.front.drain.turn();
                let reconnect_ms = milliseconds(turn.saturating_duration_since(Instant::now()));
                let reason = drain_reason().to_owned();
                self.write(&ServerFrame::Goaway { reconnect_ms, fallback: "", reason });
                self.moments.leave = Some(turn + OVERLAP);
                self.watch(false);
            }
            Ending::TimeIsUp => {
                self.close_carrier(Close::Unavailable, drain_reason(), 0);
                self.end();
            }
            Ending::Token(over) => {
                self.close_carrier(Close::Unauthenticated, over.error().reason_text(), 0);
                if over == Over::Revoked {
                    self.end();
                }
            }
        }
        true
    }

    fn poll_verified(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(verifying) = &mut self.verifying else { return false };
        let Poll::Ready(verified) = verifying.as_mut().poll(cx) else { return false };
        self.verifying = None;
        match verified {
            Ok(credentials) if self.is_same_caller(&credentials.identity) => {
                let expires_ms = left(credentials.expires).map_or(0, milliseconds);
                self.adopt(credentials);
                self.write(&ServerFrame::Authed { expires_ms });
            }
            Ok(_) => self.close_carrier(Close::Forbidden, "TOKEN_INVALID", 0),
            Err(error) => self.refuse(&error),
        }
        true
    }
}

/// The first word of a call that has no cursor.
fn opened(call: u32, outcome: OpenOutcome) -> Opened {
    Opened { call, channel: 0, outcome, reason: String::new(), cursor: String::new() }
}

/// A message that is counted.
fn single(call: u32, payload: Payload) -> Message {
    Message {
        target: Target::Call(call),
        cursor: String::new(),
        event: String::new(),
        payload: Some(payload),
    }
}
