//! The accept loop: takes connections within their bounds, until one token drains them all.

use std::future::pending;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::Edge;
use crate::config::LimitsConfig;
use crate::connection::{Answering, Arrived, answer};
use crate::layer::{Place, Places, network};
use crate::learn::LoadError;
use crate::shutdown::Shutdown;
use crate::workers::Workers;

/// Connections of one address above its limit that are told so, instead of being closed.
const TOLD: usize = 16;
/// Tries to find a port that is free for both families.
const ATTEMPTS: usize = 16;

/// Sockets that listen on one port.
#[derive(Debug)]
pub struct Listeners(Vec<TcpListener>);

/// Listens on `address`; `localhost` means IPv4 and IPv6, port 0 any free port, the same for both.
///
/// # Errors
/// A sentence naming the address.
pub async fn bind(address: &str) -> Result<Listeners, String> {
    let named = |error: io::Error| format!("cannot listen on {address}: {error}");
    let Some(port) = address.strip_prefix("localhost:").and_then(|port| port.parse::<u16>().ok()) else {
        return Ok(Listeners(vec![TcpListener::bind(address).await.map_err(named)?]));
    };
    for _ in 0..ATTEMPTS {
        let first = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(named)?;
        let chosen = first.local_addr().map_err(named)?.port();
        match TcpListener::bind((Ipv6Addr::LOCALHOST, chosen)).await {
            Ok(second) => return Ok(Listeners(vec![first, second])),
            // A free port of IPv4 may be taken on IPv6: try another.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && port == 0 => {}
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(named(error)),
            // A machine without IPv6.
            Err(_) => return Ok(Listeners(vec![first])),
        }
    }
    Err(format!("cannot listen on {address}: no port is free on both IPv4 and IPv6"))
}

impl Listeners {
    /// The first address, as it was chosen.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.0[0].local_addr()
    }
}

/// Runs an edge, on the runtime of the caller, until `shutdown` completes and everything has drained.
///
/// # Errors
/// What is wrong with the backend's descriptors or rules.
pub async fn run(
    edge: &Edge,
    http: Listeners,
    admin: Listeners,
    shutdown: impl Future<Output = ()>,
) -> Result<(), LoadError> {
    run_on(Workers::here(), edge, http, admin, shutdown).await
}

/// The same with the connections of browsers on `workers`.
///
/// # Errors
/// As [`run`].
pub async fn run_on(
    workers: Workers,
    edge: &Edge,
    http: Listeners,
    admin: Listeners,
    shutdown: impl Future<Output = ()>,
) -> Result<(), LoadError> {
    let config = edge.config();
    let drain = edge.drain().clone();
    // The admin listener outlives the drain, so that operators can watch it.
    let stop_admin = CancellationToken::new();
    let at_once = Shutdown::new(stop_admin.clone(), Duration::ZERO);
    let admin = tokio::spawn(serve(admin, edge.admin(), config.limits.clone(), at_once));
    // Sessions run there too, and may outlive all connections that HTTP knows of.
    let workers = Arc::new(workers);
    let serving =
        serve_on(Arc::clone(&workers), http, edge.service(), config.limits.clone(), edge.shutdown());
    let mut http = tokio::spawn(serving);
    let mut hearing = pin!(edge.hear_of_lost_rights());
    let outcome = tokio::select! {
        outcome = edge.keep_fresh() => outcome,
        never = &mut hearing => match never {},
        () = shutdown => Ok(()),
        () = reload_on_hangup(edge) => Ok(()),
    };
    drain.cancel();
    let http = tokio::select! {
        (ended, ()) = async { tokio::join!(&mut http, edge.sessions_ended()) } => ended,
        never = &mut hearing => match never {},
    };
    if http.is_err() {
        tracing::error!("the listener panicked");
    }
    drop(workers);
    stop_admin.cancel();
    let _ = admin.await;
    outcome
}

/// SIGHUP has descriptors and rules read again. Never ends.
async fn reload_on_hangup(edge: &Edge) {
    match signal(SignalKind::hangup()) {
        Ok(mut hangup) => {
            while hangup.recv().await.is_some() {
                edge.ask_to_reload();
            }
        }
        Err(error) => tracing::warn!(%error, "SIGHUP cannot be heard"),
    }
    pending::<()>().await;
}

/// Serves until the shutdown begins, then lets what is open end, at most for its grace.
pub async fn serve(listeners: Listeners, service: impl Answering, limits: LimitsConfig, shutdown: Shutdown) {
    serve_on(Arc::new(Workers::here()), listeners, service, limits, shutdown).await;
}

async fn serve_on(
    workers: Arc<Workers>,
    listeners: Listeners,
    service: impl Answering,
    limits: LimitsConfig,
    shutdown: Shutdown,
) {
    let permits = Arc::new(Semaphore::new(limits.connections.min(Semaphore::MAX_PERMITS)));
    let connections = TaskTracker::new();
    let server = Arc::new(Server {
        service,
        limits,
        drain: shutdown.drain.clone(),
        addresses: Arc::default(),
        permits,
        connections: connections.clone(),
    });
    let accepting = TaskTracker::new();
    for listener in listeners.0 {
        accepting.spawn(accept(listener, Arc::clone(&server), Arc::clone(&workers)));
    }
    accepting.close();
    accepting.wait().await;
    connections.close();
    if !shutdown.ends(connections.wait()).await {
        tracing::warn!(open = connections.len(), "connections were still open and are cut");
    }
}

struct Server<S> {
    service: S,
    limits: LimitsConfig,
    drain: CancellationToken,
    addresses: Arc<Places>,
    permits: Arc<Semaphore>,
    connections: TaskTracker,
}

async fn accept(listener: TcpListener, server: Arc<Server<impl Answering>>, workers: Arc<Workers>) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = server.drain.cancelled() => return,
        };
        // Unknown to this runtime again: the one of a worker watches it.
        let (stream, peer) = match accepted.and_then(|(stream, peer)| Ok((stream.into_std()?, peer))) {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors: wait for some to be closed rather than spin.
                tracing::warn!(%error, "cannot accept connections");
                sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let Some(room) = server.room(peer.ip()) else {
            tracing::warn!("too many connections of one address; one was refused");
            continue;
        };
        let Ok(permit) = Arc::clone(&server.permits).try_acquire_owned() else {
            tracing::warn!(limit = server.limits.connections, "too many connections; one was refused");
            continue;
        };
        let held = Arc::clone(&server);
        workers.run(server.connections.track_future(async move {
            match TcpStream::from_std(stream) {
                Ok(stream) => {
                    let arrived = Arrived { stream, peer, is_crowded: room.is_crowded };
                    answer(arrived, &held.service, &held.limits, &held.drain).await;
                }
                Err(error) => tracing::warn!(%error, "a connection cannot be watched"),
            }
            drop((permit, room));
        }));
    }
}

/// A connection's place among those of its address.
struct Room {
    _place: Option<Place>,
    /// It is one too many, and let in to be told so.
    is_crowded: bool,
}

impl<S: Answering> Server<S> {
    /// None when there is not even room for an answer.
    fn room(&self, address: IpAddr) -> Option<Room> {
        if self.limits.trusted_proxies.contains(&address.to_canonical()) {
            return Some(Room { _place: None, is_crowded: false });
        }
        let (holder, most) = (network(address), self.limits.connections_per_address);
        let free = self.addresses.take(&holder, most);
        let is_crowded = free.is_none();
        let place = free.or_else(|| self.addresses.take(&holder, most.saturating_add(TOLD)))?;
        Some(Room { _place: Some(place), is_crowded })
    }
}

/// Completes on SIGTERM or ctrl-c. Call it before telling anyone that you listen: it hears from now on.
///
/// # Errors
/// When the handlers cannot be set.
pub fn shutdown_signal() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
