//! One connection of a browser, from its first byte to its end.

use std::convert::Infallible;
use std::future::{pending, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use futures_util::TryFutureExt;
use http::Version;
use hyper::body::Incoming;
use hyper::server::conn::http1::UpgradeableConnection;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tower::{Service, ServiceExt, service_fn};

use crate::config::LimitsConfig;
use crate::deliver::{Handover, write_chunked};
use crate::layer::{Crowded, Peer};
use crate::socket::Socket;

/// What answers requests.
pub trait Answering:
    Service<http::Request<Body>, Response = Response, Error = Infallible, Future: Send>
    + Clone
    + Send
    + Sync
    + 'static
{
}

impl<S> Answering for S where
    S: Service<http::Request<Body>, Response = Response, Error = Infallible, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static
{
}

/// A connection that was let in.
pub(crate) struct Arrived {
    pub(crate) stream: TcpStream,
    pub(crate) peer: SocketAddr,
    /// It is one too many, and has as long as a head may take, to be told so.
    pub(crate) is_crowded: bool,
}

/// Answers its requests, until one after the drain has begun.
pub(crate) async fn answer(
    Arrived { stream, peer, is_crowded }: Arrived,
    service: &impl Answering,
    limits: &LimitsConfig,
    drain: &CancellationToken,
) {
    // Events are small and must not wait for each other.
    let _ = stream.set_nodelay(true);
    // hyper's own timer begins with the first byte.
    let version = tokio::select! {
        version = timeout(limits.head_timeout, version(&stream)) => version,
        () = drain.cancelled() => return,
    };
    let Ok(Ok(Some(version))) = version else { return };
    let service = service.clone();
    let answer = move |mut request: http::Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        if is_crowded {
            request.extensions_mut().insert(Crowded);
        }
        service.clone().oneshot(request.map(Body::new))
    };
    let longest = is_crowded.then_some(limits.head_timeout);
    if version == Version::HTTP_2 {
        let service = TowerToHyperService::new(service_fn(answer));
        // Boxed, or each of the many others would have room for it.
        let connection = Box::pin(http2(limits).serve_connection(TokioIo::new(stream), service));
        drive(connection, |connection| connection.graceful_shutdown(), drain, longest, || None).await;
        return;
    }
    let socket = Socket::new(stream);
    let handover = Handover::new(socket.clone());
    let kept = handover.clone();
    let service = TowerToHyperService::new(service_fn(move |request: http::Request<Incoming>| {
        let (kept, can_last) = (kept.clone(), request.version() == Version::HTTP_11);
        answer(request).map_ok(move |response| if can_last { kept.keep(response) } else { response })
    }));
    let connection = http1(limits).serve_connection(TokioIo::new(socket.clone()), service).with_upgrades();
    let leave = |connection: Pin<&mut _>| UpgradeableConnection::graceful_shutdown(connection);
    if let Some(body) = drive(Box::pin(connection), leave, drain, longest, || handover.take()).await {
        drop(handover);
        if let Err(error) = write_chunked(&socket, body).await {
            tracing::debug!(%error, "a stream's connection broke");
        }
    }
}

/// What a client speaks, seen in its first bytes, which stay unread: only HTTP/2 begins with `PRI` (RFC 9113, section
/// 3.4). `None` when it has gone.
///
/// hyper's own way to find out has each HTTP/1.1 connection hold twice the buffer.
async fn version(stream: &TcpStream) -> io::Result<Option<Version>> {
    const PREFACE: &[u8; 3] = b"PRI";
    loop {
        let mut bytes = [0; PREFACE.len()];
        let count = stream.peek(&mut bytes).await?;
        match &bytes[..count] {
            [] => return Ok(None),
            begun if begun == PREFACE => return Ok(Some(Version::HTTP_2)),
            begun if !PREFACE.starts_with(begun) => return Ok(Some(Version::HTTP_11)),
            // What has been seen wakes nobody again.
            _ => sleep(Duration::from_millis(5)).await,
        }
    }
}

fn http1(limits: &LimitsConfig) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .max_buf_size(limits.head_bytes.max(8192));
    builder
}

fn http2(limits: &LimitsConfig) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        // WebSockets (RFC 8441).
        .enable_connect_protocol()
        .max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX))
        .max_concurrent_streams(256)
        .max_send_buf_size(64 * 1024)
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(10));
    builder
}

/// Drives a connection to its end, and has it take no further request once the drain begins; `longest` cuts it. Ends
/// early with what is `left` to be written without it.
async fn drive<C>(
    mut connection: Pin<Box<C>>,
    leave: impl Fn(Pin<&mut C>),
    drain: &CancellationToken,
    longest: Option<Duration>,
    left: impl Fn() -> Option<Body>,
) -> Option<Body>
where
    C: Future<Output = hyper::Result<()>>,
{
    let mut cut = pin!(async {
        match longest {
            Some(longest) => sleep(longest).await,
            None => pending().await,
        }
    });
    // Made once: it takes a lock.
    let mut begun = pin!(drain.cancelled());
    let mut is_leaving = false;
    loop {
        let mut step = poll_fn(|cx| match connection.as_mut().poll(cx) {
            Poll::Ready(ended) => Poll::Ready(Err(ended)),
            Poll::Pending => left().map_or(Poll::Pending, |body| Poll::Ready(Ok(body))),
        });
        tokio::select! {
            step = &mut step => match step {
                Ok(body) => return Some(body),
                Err(ended) => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "a connection broke");
                    }
                    return None;
                }
            },
            () = cut.as_mut() => return None,
            () = begun.as_mut(), if !is_leaving => {
                is_leaving = true;
                leave(connection.as_mut());
            }
        }
    }
}
