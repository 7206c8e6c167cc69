//! When a stream has something to say without an event: one timer for all of it, which no event resets.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use super::jitter::jittered;

/// What it is time for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    Heartbeat,
    MaxAge,
    Deadline,
    Leave,
}

/// The clock of one stream.
#[derive(Debug)]
pub struct Clock {
    timer: Pin<Box<Sleep>>,
    /// Jittered once for each connection, so that not all of them beat together.
    heartbeat: Duration,
    written: Instant,
    ends: [(Option<Instant>, Due); 3],
}

impl Clock {
    pub fn new(heartbeat: Duration, max_age: Option<Duration>, deadline: Option<Instant>) -> Self {
        let written = Instant::now();
        let max_age = max_age.and_then(|age| written.checked_add(age));
        let ends = [(max_age, Due::MaxAge), (deadline, Due::Deadline), (None, Due::Leave)];
        let mut clock =
            Self { timer: Box::pin(sleep_until(written)), heartbeat: jittered(heartbeat), written, ends };
        clock.arm();
        clock
    }

    /// The stream is to end then, whatever comes.
    pub fn leave(&mut self, at: Instant) {
        self.ends[2].0 = Some(at);
        self.arm();
    }

    /// Something was written: the next heartbeat is later.
    pub fn wrote(&mut self) {
        self.written = Instant::now();
    }

    /// What it is time for.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Due> {
        while self.timer.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            let over = self.ends.iter().find(|(at, _)| at.is_some_and(|at| at <= now));
            if let Some((_, due)) = over {
                return Poll::Ready(*due);
            }
            let is_quiet = self.written + self.heartbeat <= now;
            if is_quiet {
                self.written = now;
            }
            self.arm();
            if is_quiet {
                return Poll::Ready(Due::Heartbeat);
            }
        }
        Poll::Pending
    }

    fn arm(&mut self) {
        let heartbeat = self.written + self.heartbeat;
        let next = self.ends.iter().filter_map(|(at, _)| *at).fold(heartbeat, Instant::min);
        self.timer.as_mut().reset(next);
    }
}
