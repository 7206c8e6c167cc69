//! Puts the core on sockets.

use std::convert::Infallible;
use std::future::IntoFuture;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use futures_util::StreamExt;
use futures_util::future::try_join_all;
use futures_util::stream::{BoxStream, select_all, unfold};
use http::Request;
use tokio::net::{TcpListener, TcpStream, lookup_host};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic_web::GrpcWebLayer;
use tower::ServiceExt;

use crate::app::Core;

/// A peer that answers no ping for so long is gone.
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// How long to wait when no connection can be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Tries to find a port that is free for both families.
const ATTEMPTS: u32 = 16;

/// Sockets of one address; `localhost` has one for IPv4 and one for IPv6.
#[derive(Debug)]
pub struct Listeners {
    listeners: Vec<TcpListener>,
    address: SocketAddr,
}

impl Listeners {
    /// Binds an address such as `localhost:50051`; port 0 picks a free one, the same for all sockets.
    ///
    /// # Errors
    /// When the name is unknown or the port is taken.
    pub async fn bind(address: &str) -> io::Result<Self> {
        let addresses = addresses(address).await?;
        let any_port = addresses.iter().all(|address| address.port() == 0);
        let mut attempts = 0;
        loop {
            match Self::bind_all(&addresses).await {
                // The port that was free for IPv4 may be taken for IPv6.
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && any_port && attempts < ATTEMPTS => {
                    attempts += 1;
                }
                bound => return bound,
            }
        }
    }

    async fn bind_all(addresses: &[SocketAddr]) -> io::Result<Self> {
        let mut listeners: Vec<TcpListener> = Vec::new();
        for mut wanted in addresses.iter().copied() {
            if let Some(first) = listeners.first() {
                wanted.set_port(first.local_addr()?.port());
            }
            match TcpListener::bind(wanted).await {
                Ok(listener) => listeners.push(listener),
                // A machine without IPv6 still has IPv4, or the other way round.
                Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {}
                Err(error) => return Err(error),
            }
        }
        let first = listeners.first().ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(Self { address: first.local_addr()?, listeners })
    }

    /// The address of the first socket.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn addresses(address: &str) -> io::Result<Vec<SocketAddr>> {
    match address.strip_prefix("localhost:").and_then(|port| port.parse::<u16>().ok()) {
        Some(port) => Ok(vec![([127, 0, 0, 1], port).into(), ([0, 0, 0, 0, 0, 0, 0, 1], port).into()]),
        None => Ok(lookup_host(address).await?.take(1).collect()),
    }
}

/// The connections of a socket.
fn connections(listener: TcpListener) -> BoxStream<'static, io::Result<TcpStream>> {
    unfold(listener, |listener| async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    // Answers are small and must not wait for acknowledgements.
                    let _ = stream.set_nodelay(true);
                    return Some((Ok(stream), listener));
                }
                Err(error) => {
                    // Out of file descriptors: wait for some to be closed rather than spin.
                    tracing::warn!(%error, "cannot accept connections");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    })
    .boxed()
}

/// Serves gRPC and gRPC-Web until `stop` is cancelled and the last call has ended.
///
/// # Errors
/// When a socket breaks.
pub async fn serve(
    core: Core,
    listeners: Listeners,
    stop: CancellationToken,
) -> Result<(), tonic::transport::Error> {
    let service = core.service();
    let answer = tower::service_fn(move |request: Request<axum::body::Body>| {
        let answer = service.clone().oneshot(request.map(Body::new));
        async move { Ok::<_, Infallible>(answer.await?.map(axum::body::Body::new)) }
    });
    let routes = Routes::from(Router::new().fallback_service(answer));
    let connections = select_all(listeners.listeners.into_iter().map(connections));
    Server::builder()
        .accept_http1(true)
        .http2_keepalive_interval(Some(PING_TIMEOUT))
        .http2_keepalive_timeout(Some(PING_TIMEOUT))
        .layer(GrpcWebLayer::new())
        .add_routes(routes)
        .serve_with_incoming_shutdown(connections.boxed(), stop.cancelled_owned())
        .await
}

/// Serves `/livez` and `/readyz` until dropped: while the core drains, somebody has to say so.
///
/// # Errors
/// When a socket breaks.
pub async fn serve_probes(core: Core, listeners: Listeners) -> io::Result<()> {
    let ready = move || {
        let ready = core.is_ready();
        async move {
            if ready { (StatusCode::OK, "ready\n") } else { (StatusCode::SERVICE_UNAVAILABLE, "draining\n") }
        }
    };
    let router = Router::new().route("/livez", get(|| async { "alive\n" })).route("/readyz", get(ready));
    let each = listeners.listeners.into_iter();
    try_join_all(each.map(|listener| axum::serve(listener, router.clone()).into_future())).await?;
    Ok(())
}
