//! Whether the other side of a connection still speaks. TCP tells of a partition, but not of a process that is stopped, or
//! of a proxy on the way that acknowledges everything and passes nothing on.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use h2::{Ping, PingPong};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, sleep, timeout};

/// How often a connection is looked at.
const LOOK: Duration = Duration::from_secs(3);
/// How long the other side may take to answer a ping.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is heard on a connection, and what is waited for.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    /// Reads that brought something.
    reads: AtomicU64,
    open: AtomicUsize,
    unanswered: AtomicUsize,
}

/// A call that is open, or one whose answer has not begun, for as long as this is held.
#[derive(Debug)]
pub(super) struct Held {
    pulse: Arc<Pulse>,
    count: fn(&Pulse) -> &AtomicUsize,
}

impl Pulse {
    pub(super) fn hold_open(self: &Arc<Self>) -> Held {
        self.hold(|pulse| &pulse.open)
    }

    pub(super) fn hold_unanswered(self: &Arc<Self>) -> Held {
        self.hold(|pulse| &pulse.unanswered)
    }

    fn hold(self: &Arc<Self>, count: fn(&Self) -> &AtomicUsize) -> Held {
        count(self).fetch_add(1, Ordering::Relaxed);
        Held { pulse: Arc::clone(self), count }
    }

    fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    /// Completes when the other side does not speak any more.
    ///
    /// It is asked by a ping of HTTP/2 when calls have waited for an answer while nothing at all came, and when calls are
    /// open and nothing has come for `keepalive`. Servers of gRPC count the pings that reach them while they have
    /// nothing to say, and close the connection when these come too often (gRFC A8): so after one that heard nothing but
    /// its answer, there is none for as long.
    pub(super) async fn stops(self: Arc<Self>, mut pings: PingPong, keepalive: Duration) {
        let (mut reads, mut heard_at) = (self.reads(), Instant::now());
        let mut was_waiting = false;
        // When, and what had been read once it was answered.
        let mut last_ping: Option<(Instant, u64)> = None;
        loop {
            sleep(LOOK).await;
            let is_waiting = self.unanswered.load(Ordering::Relaxed) > 0;
            let waited = std::mem::replace(&mut was_waiting, is_waiting) && is_waiting;
            if self.reads() != reads {
                (reads, heard_at) = (self.reads(), Instant::now());
                continue;
            }
            let is_open = self.open.load(Ordering::Relaxed) > 0;
            let is_quiet = is_open && heard_at.elapsed() >= keepalive;
            let may_ping = last_ping.is_none_or(|(at, read)| read != reads || at.elapsed() >= keepalive);
            if !(waited || is_quiet) || !may_ping {
                continue;
            }
            // One that fails is of a connection that ends by itself.
            if timeout(PATIENCE, pings.ping(Ping::opaque())).await.is_err() && self.reads() == reads {
                return;
            }
            (reads, heard_at) = (self.reads(), Instant::now());
            last_ping = Some((heard_at, reads));
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        (self.count)(&self.pulse).fetch_sub(1, Ordering::Relaxed);
    }
}

/// A socket whose reads are counted.
#[derive(Debug)]
pub(super) struct Felt<T> {
    pub(super) socket: T,
    pub(super) pulse: Arc<Pulse>,
}

impl<T: AsyncRead + Unpin> AsyncRead for Felt<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.socket).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.pulse.reads.fetch_add(1, Ordering::Relaxed);
        }
        polled
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Felt<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::task::JoinHandle;

    use super::*;

    const KEEPALIVE: Duration = Duration::from_secs(60);
    const PING: u8 = 6;

    /// A connection, and the pings that arrive at its other side, which answers them if it `answers`.
    async fn start(answers: bool) -> (Arc<Pulse>, JoinHandle<()>, Arc<AtomicUsize>) {
        let (client, server) = duplex(64 * 1024);
        let pulse = Arc::new(Pulse::default());
        let felt = Felt { socket: client, pulse: Arc::clone(&pulse) };
        let (sender, mut connection) = h2::client::handshake(felt).await.expect("a preface");
        let pings = connection.ping_pong().expect("taken once");
        let stops = tokio::spawn(Arc::clone(&pulse).stops(pings, KEEPALIVE));
        tokio::spawn(async move {
            let _ended = connection.await;
            drop::<h2::client::SendRequest<bytes::Bytes>>(sender);
        });
        let count = Arc::new(AtomicUsize::new(0));
        tokio::spawn(listen(server, answers, Arc::clone(&count)));
        (pulse, stops, count)
    }

    /// Reads frames (RFC 9113, section 4.1), and acknowledges pings.
    async fn listen(mut server: DuplexStream, answers: bool, count: Arc<AtomicUsize>) -> io::Result<()> {
        let mut preface = [0; 24];
        server.read_exact(&mut preface).await?;
        server.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await?;
        loop {
            let mut head = [0; 9];
            server.read_exact(&mut head).await?;
            let mut body = vec![0; usize::from(head[1]) << 8 | usize::from(head[2])];
            server.read_exact(&mut body).await?;
            if head[3] == PING {
                count.fetch_add(1, Ordering::Relaxed);
                if answers {
                    server.write_all(&[0, 0, 8, PING, 1, 0, 0, 0, 0]).await?;
                    server.write_all(&body).await?;
                }
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_in_vain_asks_once_and_who_hears_nothing_asks_rarely() {
        let (pulse, stops, pings) = start(true).await;
        sleep(10 * KEEPALIVE).await;
        assert_eq!(pings.load(Ordering::Relaxed), 0, "nothing is open");
        let waiting = pulse.hold_unanswered();
        sleep(KEEPALIVE / 2).await;
        assert_eq!(pings.load(Ordering::Relaxed), 1, "it is there, though it says nothing else");
        sleep(2 * KEEPALIVE).await;
        assert_eq!(pings.load(Ordering::Relaxed), 3);
        drop(waiting);
        let _open = pulse.hold_open();
        sleep(10 * KEEPALIVE).await;
        assert!((11..=13).contains(&pings.load(Ordering::Relaxed)), "{pings:?}");
        assert!(!stops.is_finished());
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_swallows_everything_is_found_out() {
        for hold in [Pulse::hold_unanswered, Pulse::hold_open] {
            let (pulse, stops, pings) = start(false).await;
            sleep(10 * KEEPALIVE).await;
            let _held = hold(&pulse);
            timeout(KEEPALIVE + 2 * LOOK + PATIENCE, stops).await.expect("it is noticed").expect("no panic");
            assert_eq!(pings.load(Ordering::Relaxed), 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn calls_that_are_answered_are_no_reason_to_ask() {
        let (pulse, stops, pings) = start(false).await;
        let _open = pulse.hold_open();
        for _ in 0..100 {
            let waiting = pulse.hold_unanswered();
            sleep(LOOK * 2 / 3).await;
            pulse.reads.fetch_add(1, Ordering::Relaxed);
            drop(waiting);
        }
        assert_eq!(pings.load(Ordering::Relaxed), 0);
        assert!(!stops.is_finished());
    }
}
