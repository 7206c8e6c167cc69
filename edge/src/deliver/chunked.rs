//! The writer of a lasting stream by HTTP/1.1: a body, in chunks (RFC 9112, section 7.1), by the task of its connection.
//!
//! Nothing is kept between two events but what the socket did not take, and that is shared with all who write the same.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, Cursor, IoSlice, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use bytes::{Buf, Bytes};
use http_body::Body as _;

use crate::hub::Rare;
use crate::socket::Socket;

/// What is written at once: so many pieces of a body, or fewer that have so many bytes.
const PIECES: usize = 4;
const ENOUGH: usize = 16 * 1024;
/// So many bytes are read for nothing, and no more.
const UNASKED: usize = 64 * 1024;
/// The length, the pieces, and what ends the chunk.
const SLICES: usize = PIECES + 2;
const LINE_END: &[u8] = b"\r\n";
const LAST: &[u8] = b"0\r\n\r\n";
const LINE_END_AND_LAST: &[u8] = b"\r\n0\r\n\r\n";

/// Writes it all, unless the browser goes before that.
///
/// # Errors
/// When the connection breaks.
pub async fn write_chunked(socket: &Socket, body: Body) -> io::Result<()> {
    let mut writing =
        Writing { socket, body, rest: VecDeque::new(), rare: Rare::default(), unasked: 0, end: None };
    poll_fn(|cx| writing.poll(cx)).await
}

struct Writing<'a> {
    socket: &'a Socket,
    body: Body,
    /// What the socket has not taken yet.
    rest: VecDeque<Bytes>,
    /// Of the browser's end.
    rare: Rare,
    /// Bytes that came although nothing is asked for any more: left unread, they would take back what was sent last.
    unasked: usize,
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
        if let Some(waker) = self.rare.due(cx) {
            let cx = &mut Context::from_waker(&waker);
            if self.socket.poll_gone(cx, &mut self.unasked, UNASKED).is_ready() {
                return Poll::Ready(Ok(()));
            }
        }
        loop {
            while !self.rest.is_empty() {
                let mut slices = [IoSlice::new(&[]); SLICES];
                for (slice, piece) in slices.iter_mut().zip(&self.rest) {
                    *slice = IoSlice::new(piece);
                }
                let count = ready!(self.socket.poll_write(cx, &slices))?;
                advance(&mut self.rest, count);
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
        let (mut count, mut size) = (0, 0);
        while count < PIECES && size < ENOUGH && self.end.is_none() {
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    let piece = frame.into_data().unwrap_or_default();
                    if !piece.is_empty() {
                        size += piece.len();
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
        let mut line = Cursor::new([0_u8; 18]);
        if size > 0 {
            write!(line, "{size:x}\r\n")?;
        }
        let line = &line.get_ref()[..line.position() as usize];
        let tail = match (size, self.end) {
            (0, Some(End::Whole)) => LAST,
            (0, _) => b"",
            (_, Some(End::Whole)) => LINE_END_AND_LAST,
            (_, _) => LINE_END,
        };
        let [a, b, c, d] = pieces.each_ref().map(|piece| IoSlice::new(piece));
        let slices: [_; SLICES] = [IoSlice::new(line), a, b, c, d, IoSlice::new(tail)];
        let written = match self.socket.poll_write(cx, &slices) {
            Poll::Ready(written) => written?,
            Poll::Pending => 0,
        };
        if written < line.len() + size + tail.len() {
            self.rest.push_back(Bytes::copy_from_slice(line));
            self.rest.extend(pieces.iter().cloned());
            self.rest.push_back(Bytes::from_static(tail));
            advance(&mut self.rest, written);
        }
        Ok(())
    }
}

/// Drops the first `count` bytes, and all room when nothing is left.
fn advance(rest: &mut VecDeque<Bytes>, mut count: usize) {
    while let Some(first) = rest.front_mut() {
        if count < first.len() {
            return first.advance(count);
        }
        count -= first.len();
        rest.pop_front();
    }
    *rest = VecDeque::new();
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::stream;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use socket2::SockRef;
    use tokio::io::AsyncReadExt;
    use tokio::net::{TcpListener, TcpSocket};
    use tokio::time::sleep;

    use super::*;

    /// What a reader gets of a body of these pieces, where `None` is a failure; it reads slowly and little at once.
    async fn carried(pieces: Vec<Option<usize>>) -> Vec<u8> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let reader = TcpSocket::new_v4().unwrap();
        reader.set_recv_buffer_size(2048).unwrap();
        let mut reader = reader.connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        SockRef::from(&stream).set_send_buffer_size(2048).unwrap();
        let frames = pieces.into_iter().enumerate().map(|(index, size)| match size {
            Some(size) => Ok(Bytes::from(vec![index as u8; size])),
            None => Err(io::Error::other("it failed")),
        });
        let body = Body::from_stream(stream::iter(frames));
        let writing = tokio::spawn(async move { write_chunked(&Socket::new(stream), body).await });
        let (mut read, mut buffer) = (Vec::new(), vec![0; 16 * 1024]);
        loop {
            let count = reader.read(&mut buffer).await.unwrap();
            if count == 0 {
                break;
            }
            read.extend_from_slice(&buffer[..count]);
            sleep(Duration::from_micros(50)).await;
        }
        writing.await.unwrap().unwrap();
        read
    }

    /// The bytes of its chunks, and whether the last one is there.
    fn joined(mut raw: &[u8]) -> (Vec<u8>, bool) {
        let mut all = Vec::new();
        while !raw.is_empty() {
            let end = raw.windows(2).position(|two| two == LINE_END).expect("a line");
            let size = usize::from_str_radix(std::str::from_utf8(&raw[..end]).unwrap(), 16).unwrap();
            let data = &raw[end + 2..][..size];
            assert_eq!(&raw[end + 2 + size..][..2], LINE_END);
            raw = &raw[end + 4 + size..];
            if size == 0 {
                assert!(raw.is_empty(), "nothing follows the last chunk");
                return (all, true);
            }
            all.extend_from_slice(data);
        }
        (all, false)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn a_body_arrives_as_it_is_and_is_whole_only_if_it_was(
            sizes in vec(prop_oneof![Just(0), 1..50_usize, 900..1100_usize, 1..90_000_usize], 0..12),
            fails in any::<bool>(),
        ) {
            let mut pieces: Vec<_> = sizes.iter().copied().map(Some).collect();
            pieces.extend(fails.then_some(None));
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let (all, is_whole) = joined(&runtime.block_on(carried(pieces)));
            let expected: Vec<u8> =
                sizes.iter().enumerate().flat_map(|(index, size)| vec![index as u8; *size]).collect();
            prop_assert!(all == expected);
            prop_assert_eq!(is_whole, !fails);
        }
    }
}
