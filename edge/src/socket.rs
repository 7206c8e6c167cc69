//! The socket of a browser, which one can take from another who still writes to it.

use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

/// Up to so many bytes are joined to be written.
const JOINED: usize = 1024;

/// Clones are the same socket. One task has them all: each direction wakes only who asked last.
#[derive(Debug, Clone)]
pub struct Socket(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    stream: TcpStream,
    flushes: AtomicUsize,
}

impl Socket {
    pub fn new(stream: TcpStream) -> Self {
        Self(Arc::new(Inner { stream, flushes: AtomicUsize::new(0) }))
    }

    /// How often it was flushed: whoever writes to it does that when nothing is left to write.
    pub fn flushes(&self) -> usize {
        self.0.flushes.load(Ordering::Relaxed)
    }

    /// Reads away what the other side sends; completes when it has closed or sends more than `most` bytes in all, of which
    /// `read` says how many have come.
    pub fn poll_gone(&self, cx: &mut Context<'_>, read: &mut usize, most: usize) -> Poll<()> {
        loop {
            if ready!(self.0.stream.poll_read_ready(cx)).is_err() {
                return Poll::Ready(());
            }
            match self.0.stream.try_read(&mut [0; 256]) {
                Ok(0) => return Poll::Ready(()),
                Ok(count) => *read += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return Poll::Ready(()),
            }
            if *read > most {
                return Poll::Ready(());
            }
        }
    }

    /// Writes the pieces one after the other, as far as they are taken now. Few bytes are joined, for `send` costs the kernel
    /// less than `writev`.
    pub fn poll_write(&self, cx: &mut Context<'_>, pieces: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let size: usize = pieces.iter().map(|piece| piece.len()).sum();
        match pieces {
            [piece] => self.poll_with(cx, || self.0.stream.try_write(piece)),
            _ if size > JOINED => self.poll_with(cx, || self.0.stream.try_write_vectored(pieces)),
            _ => {
                let mut joined = [0; JOINED];
                let mut left = &mut joined[..];
                for piece in pieces {
                    let (there, rest) = left.split_at_mut(piece.len());
                    there.copy_from_slice(piece);
                    left = rest;
                }
                self.poll_with(cx, || self.0.stream.try_write(&joined[..size]))
            }
        }
    }

    fn poll_with(
        &self,
        cx: &mut Context<'_>,
        write: impl Fn() -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.0.stream.poll_write_ready(cx))?;
            match write() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
    }

    /// Says that nothing more is written.
    ///
    /// # Errors
    /// When the connection is gone already.
    pub fn shut(&self) -> io::Result<()> {
        SockRef::from(&self.0.stream).shutdown(Shutdown::Write)
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let stream = &self.0.stream;
        loop {
            ready!(stream.poll_read_ready(cx))?;
            let mut read = Err(io::ErrorKind::WouldBlock.into());
            // Whoever left room has read all there was: once that is known, the next read asks the kernel for nothing in vain.
            let _ = stream.try_io(Interest::READABLE, || {
                read = stream.try_read_buf(buf);
                if matches!(read, Ok(1..) if buf.remaining() > 0) {
                    Err(io::ErrorKind::WouldBlock.into())
                } else {
                    Ok(())
                }
            });
            match read {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return Poll::Ready(read.map(drop)),
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Self::poll_write(&self, cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Self::poll_write(&self, cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.flushes.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.shut())
    }
}
