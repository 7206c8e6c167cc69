//! A WebSocket as a carrier: frames of the session in and out, and nothing held while it is quiet.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::deliver::websocket::{self, Decoder, Fault, Incoming};
use crate::session::{ClientFrame, Close, Violation, binary, read_text};

use super::form::Form;

/// Read at once; on the stack, so that a quiet socket holds nothing.
const READ: usize = 8 * 1024;
/// Frames that say nothing (pings, pongs, pieces of messages), within a while.
const IDLE_FRAMES: u32 = 2000;
const WHILE: Duration = Duration::from_secs(10);
/// Frames that are written by one call of the system.
const AT_ONCE: usize = 16;

/// Stands for a close that has no code, and is never sent (RFC 6455, section 7.4.1).
const NO_CODE: u16 = 1005;

/// What was heard.
#[derive(Debug)]
pub enum Heard {
    Frame(ClientFrame),
    /// A sign of life.
    Life,
    /// The client is gone, with this code if it closed in order; 1005 where it gave none.
    Gone(Option<u16>),
}

/// A WebSocket.
#[derive(Debug)]
pub struct Socket {
    io: TokioIo<Upgraded>,
    decoder: Decoder,
    form: Form,
    out: VecDeque<Bytes>,
    queued: usize,
    idle_frames: u32,
    since: Instant,
}

impl Socket {
    /// `limit` is the largest message in bytes.
    pub fn new(upgraded: Upgraded, form: Form, limit: usize) -> Self {
        Self {
            io: TokioIo::new(upgraded),
            decoder: Decoder::new(limit),
            form,
            out: VecDeque::new(),
            queued: 0,
            idle_frames: 0,
            since: Instant::now(),
        }
    }

    pub fn form(&self) -> Form {
        self.form
    }

    /// The next frame, or that there is none any more.
    pub fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<Heard, Violation>> {
        loop {
            match self.decoder.take().map_err(violation)? {
                Some(incoming) => return Poll::Ready(self.hear(incoming)),
                None => {
                    let mut bytes = [0; READ];
                    let mut buffer = ReadBuf::new(&mut bytes);
                    match ready!(Pin::new(&mut self.io).poll_read(cx, &mut buffer)) {
                        Ok(()) if !buffer.filled().is_empty() => self.decoder.feed(buffer.filled()),
                        Ok(()) | Err(_) => return Poll::Ready(Ok(Heard::Gone(None))),
                    }
                }
            }
        }
    }

    fn hear(&mut self, incoming: Incoming) -> Result<Heard, Violation> {
        match (incoming, self.form) {
            (Incoming::Text(text), Form::Text) => read_text::read(&text).map(Heard::Frame),
            (Incoming::Binary(bytes), Form::Binary) => binary::read(&bytes).map(Heard::Frame),
            (Incoming::Text(_) | Incoming::Binary(_), _) => Err(Violation::protocol(
                "Frames are text messages under `lastmile.v1.json` and binary ones under `lastmile.v1.proto`.",
            )),
            (Incoming::Ping(payload), _) => {
                self.idle()?;
                self.queue(websocket::pong(&payload));
                Ok(Heard::Life)
            }
            (Incoming::Pong | Incoming::Fragment, _) => self.idle().map(|()| Heard::Life),
            (Incoming::Close(code), _) => Ok(Heard::Gone(Some(code.unwrap_or(NO_CODE)))),
        }
    }

    /// Nobody needs so many frames that say nothing.
    fn idle(&mut self) -> Result<(), Violation> {
        if self.since.elapsed() > WHILE {
            (self.since, self.idle_frames) = (Instant::now(), 0);
        }
        self.idle_frames += 1;
        if self.idle_frames <= IDLE_FRAMES {
            return Ok(());
        }
        let message = "Too many pings, pongs or fragments.".into();
        Err(Violation { close: Close::Framing, message })
    }

    pub fn queue(&mut self, bytes: Bytes) {
        self.queued += bytes.len();
        self.out.push_back(bytes);
    }

    /// Bytes that wait to be written.
    pub fn queued(&self) -> usize {
        self.queued
    }

    /// Writes what waits; ready when nothing does.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.out.is_empty() {
            let mut slices = [IoSlice::new(&[]); AT_ONCE];
            let count = self.out.len().min(AT_ONCE);
            for (slice, bytes) in slices.iter_mut().zip(&self.out) {
                *slice = IoSlice::new(bytes);
            }
            let written = match count {
                1 => ready!(Pin::new(&mut self.io).poll_write(cx, &slices[0]))?,
                _ => ready!(Pin::new(&mut self.io).poll_write_vectored(cx, &slices[..count]))?,
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.wrote(written);
        }
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn wrote(&mut self, mut written: usize) {
        self.queued -= written;
        while written > 0
            && let Some(first) = self.out.front_mut()
        {
            let step = written.min(first.len());
            first.advance(step);
            written -= step;
            if first.is_empty() {
                self.out.pop_front();
            }
        }
        if self.out.is_empty() && self.out.capacity() > AT_ONCE {
            self.out = VecDeque::new();
        }
    }

    /// Ends the writing side, then reads what still comes for a moment: a socket that is closed while something unread is
    /// there would take back what was sent last.
    pub async fn bid_farewell(mut self) {
        let leave = async {
            if std::future::poll_fn(|cx| self.poll_flush(cx)).await.is_err() {
                return;
            }
            let _ = std::future::poll_fn(|cx| Pin::new(&mut self.io).poll_shutdown(cx)).await;
            let mut bytes = [0; 1024];
            loop {
                let mut buffer = ReadBuf::new(&mut bytes);
                let read = std::future::poll_fn(|cx| Pin::new(&mut self.io).poll_read(cx, &mut buffer)).await;
                if read.is_err() || buffer.filled().is_empty() {
                    return;
                }
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(2), leave).await;
    }
}

fn violation(fault: Fault) -> Violation {
    let close = match fault {
        Fault::Framing(_) => Close::Framing,
        Fault::NotText => Close::NotText,
        Fault::TooLarge => Close::TooLarge,
    };
    Violation { close, message: fault.to_string() }
}
