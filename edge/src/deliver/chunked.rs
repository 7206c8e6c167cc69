//! The writer of a lasting stream by HTTP/1.1: a body, in chunks (RFC 9112, section 7.1), by the task of its connection.
//!
//! Nothing is kept between two events but what the socket did not take.

use std::future::poll_fn;
use std::io::{self, IoSlice, Write};
use std::task::{Context, Poll, ready};

use axum::body::Body;
use bytes::{Buf, Bytes, BytesMut};
use http_body::Body as _;

use crate::rare::Rare;
use crate::socket::Socket;

/// Pieces of a body that are written at once.
const PIECES: usize = 4;
/// Up to so many bytes are joined to be written.
const JOINED: usize = 1024;
const LAST: &[u8] = b"0\r\n\r\n";

/// Writes it all, unless the browser goes before that.
///
/// # Errors
/// When the connection breaks.
pub async fn write_chunked(socket: &Socket, body: Body) -> io::Result<()> {
    let mut writing = Writing { socket, body, rest: Bytes::new(), rare: Rare::default(), end: None };
    poll_fn(|cx| writing.poll(cx)).await
}

struct Writing<'a> {
    socket: &'a Socket,
    body: Body,
    /// What the socket has not taken yet.
    rest: Bytes,
    /// Of the browser's end.
    rare: Rare,
    end: Option<End>,
}

#[derive(Clone, Copy)]
enum End {
    Whole,
    /// What was sent must not look like the whole.
    Broken,
}

impl Writing<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(waker) = self.rare.due(cx)
            && self.socket.poll_gone(&mut Context::from_waker(&waker)).is_ready()
        {
            return Poll::Ready(Ok(()));
        }
        loop {
            while !self.rest.is_empty() {
                let count = ready!(self.socket.poll_write(cx, &[IoSlice::new(&self.rest)]))?;
                self.rest.advance(count);
            }
            match self.end {
                None => {}
                Some(End::Whole) => return Poll::Ready(self.socket.shut()),
                Some(End::Broken) => return Poll::Ready(Ok(())),
            }
            let pieces = self.gather(cx);
            if pieces[0].is_empty() && self.end.is_none() {
                return Poll::Pending;
            }
            self.write(cx, &pieces)?;
        }
    }

    /// What is ready, up to a limit; the pieces come before those that are empty.
    fn gather(&mut self, cx: &mut Context<'_>) -> [Bytes; PIECES] {
        let mut pieces = [const { Bytes::new() }; PIECES];
        let mut count = 0;
        while count < PIECES && self.end.is_none() {
            match std::pin::Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    let piece = frame.into_data().unwrap_or_default();
                    if !piece.is_empty() {
                        pieces[count] = piece;
                        count += 1;
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    tracing::debug!(%error, "a stream was broken off");
                    self.end = Some(End::Broken);
                }
                Poll::Ready(None) => self.end = Some(End::Whole),
                Poll::Pending => break,
            }
        }
        pieces
    }

    /// Writes one chunk of the pieces, and the last chunk of a whole body.
    fn write(&mut self, cx: &mut Context<'_>, pieces: &[Bytes; PIECES]) -> io::Result<()> {
        let size: usize = pieces.iter().map(Bytes::len).sum();
        // Room for the longest number and its line end.
        let mut line = [0; 18];
        let mut head = &mut line[..];
        let mut slices = [IoSlice::new(&[]); PIECES + 3];
        if size > 0 {
            write!(head, "{size:x}\r\n")?;
            slices[PIECES + 1] = IoSlice::new(b"\r\n");
        }
        let left = head.len();
        let line = &line[..18 - left];
        slices[0] = IoSlice::new(line);
        for (slice, piece) in slices[1..].iter_mut().zip(pieces) {
            *slice = IoSlice::new(piece);
        }
        if matches!(self.end, Some(End::Whole)) {
            slices[PIECES + 2] = IoSlice::new(LAST);
        }
        let count = match send(self.socket, cx, &slices) {
            Poll::Ready(written) => written?,
            Poll::Pending => 0,
        };
        self.rest = rest(&slices, count);
        Ok(())
    }
}

/// Writes several pieces at once, as far as they are taken. Few bytes are joined, for `send` costs the kernel less than
/// `writev`.
fn send(socket: &Socket, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
    let size: usize = slices.iter().map(|slice| slice.len()).sum();
    if size > JOINED {
        return socket.poll_write(cx, slices);
    }
    let mut joined = [0; JOINED];
    let mut left = &mut joined[..];
    for slice in slices {
        let (there, rest) = left.split_at_mut(slice.len());
        there.copy_from_slice(slice);
        left = rest;
    }
    socket.poll_write(cx, &[IoSlice::new(&joined[..size])])
}

/// The bytes behind the first `count`, in a buffer of their own.
fn rest(slices: &[IoSlice<'_>], mut count: usize) -> Bytes {
    let size: usize = slices.iter().map(|slice| slice.len()).sum();
    let mut rest = BytesMut::with_capacity(size - count);
    for slice in slices {
        let written = count.min(slice.len());
        rest.extend_from_slice(&slice[written..]);
        count -= written;
    }
    rest.freeze()
}
