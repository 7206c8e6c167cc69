//! One process of a backend: its connections, how many calls they carry, whether it can be reached.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body::Frame;
use tokio::time::{Instant, sleep, timeout};
use tonic::Status;
use tonic::body::Body;
use tonic::transport::Channel;
use tower::{Service, ServiceExt};

use super::breaker::{Breaker, BreakerState, Change, Pass};
use super::details;
use super::failure::{Failure, Shed};
use super::manner::{ByEdge, Manner};
use super::target::Target;
use super::verdict::Verdict;

const FIRST_PROBE: Duration = Duration::from_millis(100);
const SLOWEST_PROBE: Duration = Duration::from_secs(5);
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// One process of a backend.
#[derive(Debug)]
pub(super) struct Endpoint {
    manner: Arc<Manner>,
    target: Target,
    /// None where the target's URL itself names the process.
    pub(super) address: Option<SocketAddr>,
    /// The first carries what it can; others come and go with the load.
    connections: ArcSwap<Vec<Arc<Connection>>>,
    changing: Mutex<()>,
    calls: AtomicUsize,
    /// Held for a moment only.
    breaker: Mutex<Breaker>,
    /// Whether it is closed, without the lock.
    is_trusted: AtomicBool,
    aside: AtomicBool,
    /// How often it was set aside, so that a probe knows whether it is still about its own time.
    asides: AtomicU64,
}

/// What is known of an endpoint, for people and metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointState {
    pub upstream: String,
    pub endpoint: String,
    /// False while it cannot be reached and is only probed.
    pub is_up: bool,
    pub breaker: BreakerState,
    /// Calls under way.
    pub calls: usize,
    pub connections: usize,
}

#[derive(Debug)]
struct Connection {
    channel: Channel,
    calls: AtomicUsize,
}

/// A place on a connection, held until the answer's body ends.
#[derive(Debug)]
struct Place {
    endpoint: Arc<Endpoint>,
    connection: Arc<Connection>,
    /// Until the breaker has its verdict.
    pass: Option<Pass>,
}

impl Endpoint {
    pub(super) fn new(
        manner: Arc<Manner>,
        target: Target,
        address: Option<SocketAddr>,
    ) -> Result<Self, tonic::transport::Error> {
        let channel = target.connect(address, Some(manner.news.clone()))?;
        let breaker = Breaker::new(manner.breaker, Instant::now());
        let first = Connection { channel, calls: AtomicUsize::new(0) };
        Ok(Self {
            manner,
            target,
            address,
            connections: ArcSwap::from_pointee(vec![Arc::new(first)]),
            changing: Mutex::new(()),
            calls: AtomicUsize::new(0),
            breaker: Mutex::new(breaker),
            is_trusted: AtomicBool::new(true),
            aside: AtomicBool::new(false),
            asides: AtomicU64::new(0),
        })
    }

    /// Calls under way.
    pub(super) fn load(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    /// Whether it was not to be reached lately.
    pub(super) fn is_aside(&self) -> bool {
        self.aside.load(Ordering::Relaxed)
    }

    /// Whether its breaker lets calls through.
    pub(super) fn is_open_to_calls(&self) -> bool {
        self.is_trusted.load(Ordering::Relaxed) || self.breaker().would_admit(Instant::now())
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settle(&self, pass: Pass, verdict: Verdict) {
        let change = self.breaker().settle(pass, verdict, Instant::now());
        let (upstream, endpoint) = (&self.manner.name, || self.describe());
        match change {
            None => {}
            Some(Change::Opened { pause }) => {
                self.is_trusted.store(false, Ordering::Relaxed);
                tracing::warn!(
                    upstream,
                    endpoint = endpoint(),
                    ?pause,
                    "an endpoint fails most calls and gets none"
                );
            }
            Some(Change::Closed) => {
                self.is_trusted.store(true, Ordering::Relaxed);
                tracing::info!(
                    upstream,
                    endpoint = endpoint(),
                    "an endpoint is well again and gets all calls"
                );
            }
        }
    }

    pub(super) fn is_at(&self, target: &Target) -> bool {
        self.target.is(target)
    }

    pub(super) fn describe(&self) -> String {
        self.target.describe(self.address)
    }

    pub(super) fn state(&self) -> EndpointState {
        EndpointState {
            upstream: self.manner.name.clone(),
            endpoint: self.describe(),
            is_up: !self.is_aside(),
            breaker: self.breaker().state(),
            calls: self.load(),
            connections: self.connections.load().len(),
        }
    }

    /// Makes a call; its place is taken until the body of the answer ends.
    pub(super) async fn send(self: Arc<Self>, mut request: Request<Body>) -> Result<Response<Body>, Status> {
        for (name, value) in &self.manner.headers {
            request.headers_mut().insert(name, value.clone());
        }
        if let (Some(_), Some(credential)) = (request.extensions().get::<ByEdge>(), &self.manner.credential) {
            request.headers_mut().insert(header::AUTHORIZATION, credential.clone());
        }
        let admitted = self.breaker().admit(Instant::now());
        let pass = admitted.map_err(|wait| Status::from_error(Box::new(Shed { wait })))?;
        let mut place = self.place(pass);
        let mut channel = place.connection.channel.clone();
        let outcome = match channel.ready().await {
            Ok(channel) => channel.call(request).await,
            Err(error) => Err(error),
        };
        match outcome {
            Ok(mut response) => {
                self.reached();
                details::drop_unreadable(response.headers_mut());
                if let Some(verdict) = Verdict::of_head(response.status(), response.headers()) {
                    place.settle(verdict);
                }
                Ok(response.map(|body| Body::new(Counted { body, place: Some(place) })))
            }
            Err(error) => {
                let failure = Failure::of_transport(&error);
                place.settle(Verdict::of_failure(failure));
                if failure.is_of_endpoint() {
                    self.set_aside(&error);
                }
                Err(Status::from_error(error.into()))
            }
        }
    }

    /// A place on the first connection that has one, or on a new connection.
    fn place(self: &Arc<Self>, pass: Pass) -> Place {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let connection = self.free_connection().unwrap_or_else(|| self.grow());
        Place { endpoint: Arc::clone(self), connection, pass: Some(pass) }
    }

    fn free_connection(&self) -> Option<Arc<Connection>> {
        let connections = self.connections.load();
        connections.iter().find(|connection| connection.take(self.manner.max_streams)).cloned()
    }

    fn grow(&self) -> Arc<Connection> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(connection) = self.free_connection() {
            return connection;
        }
        let mut connections = self.connections.load().to_vec();
        let connection = match self.target.connect(self.address, None) {
            Ok(channel) => Arc::new(Connection { channel, calls: AtomicUsize::new(1) }),
            // It was possible for the first: share that.
            Err(_) => {
                connections[0].calls.fetch_add(1, Ordering::Relaxed);
                return Arc::clone(&connections[0]);
            }
        };
        connections.push(Arc::clone(&connection));
        self.connections.store(Arc::new(connections));
        connection
    }

    /// Lets connections go that even twice the load would not need.
    fn shrink(&self) {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let connections = self.connections.load();
        let needed = 1 + 2 * self.load() / self.manner.max_streams;
        if connections.len() > needed {
            let is_kept = |(place, connection): &(usize, &Arc<Connection>)| {
                *place == 0 || connection.calls.load(Ordering::Relaxed) > 0
            };
            let kept = connections.iter().enumerate().filter(is_kept);
            self.connections.store(Arc::new(kept.map(|(_, connection)| Arc::clone(connection)).collect()));
        }
    }

    fn reached(&self) {
        if self.is_aside() && self.aside.swap(false, Ordering::Relaxed) {
            tracing::info!(upstream = self.manner.name, endpoint = self.describe(), "an endpoint is back");
            self.manner.news.tell();
        }
    }

    fn set_aside(self: &Arc<Self>, cause: &(dyn std::error::Error + 'static)) {
        if self.aside.swap(true, Ordering::Relaxed) {
            return;
        }
        let cause = std::iter::successors(Some(cause), |cause| (*cause).source()).last();
        tracing::warn!(
            upstream = self.manner.name,
            endpoint = self.describe(),
            cause = cause.map(tracing::field::display),
            "an endpoint cannot be reached and is set aside"
        );
        let time = self.asides.fetch_add(1, Ordering::Relaxed) + 1;
        tokio::spawn(probe(Arc::downgrade(self), time));
    }

    /// Whether it answers at all, whatever it says.
    async fn answers(&self) -> bool {
        let mut request = Request::new(Body::new(http_body_util::Full::new(Bytes::from_static(&[0; 5]))));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = http::Uri::from_static("/grpc.health.v1.Health/Check");
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        let channel = self.connections.load()[0].channel.clone();
        matches!(timeout(PROBE_TIMEOUT, channel.oneshot(request)).await, Ok(Ok(_)))
    }
}

/// Asks an endpoint that was set aside until it answers, is called again, or is gone.
async fn probe(endpoint: Weak<Endpoint>, time: u64) {
    let mut delay = FIRST_PROBE;
    loop {
        sleep(delay.mul_f64(0.5 + rand::random::<f64>())).await;
        delay = (2 * delay).min(SLOWEST_PROBE);
        let Some(endpoint) = endpoint.upgrade() else { return };
        if !endpoint.is_aside() || endpoint.asides.load(Ordering::Relaxed) != time {
            return;
        }
        if endpoint.answers().await {
            return endpoint.reached();
        }
    }
}

impl Connection {
    /// Takes a place if fewer than `most` are taken.
    fn take(&self, most: usize) -> bool {
        let one_more = |calls| (calls < most).then_some(calls + 1);
        self.calls.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok()
    }
}

impl Place {
    /// The first verdict counts.
    fn settle(&mut self, verdict: Verdict) {
        if let Some(pass) = self.pass.take() {
            self.endpoint.settle(pass, verdict);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.settle(Verdict::Unknown);
        self.endpoint.calls.fetch_sub(1, Ordering::Relaxed);
        let was = self.connection.calls.fetch_sub(1, Ordering::Relaxed);
        if was == 1 && self.endpoint.connections.load().len() > 1 {
            self.endpoint.shrink();
        }
    }
}

/// A body that gives its place back when it ends.
struct Counted {
    body: Body,
    place: Option<Place>,
}

impl Counted {
    fn settle(&mut self, verdict: Verdict) {
        if let Some(place) = &mut self.place {
            place.settle(verdict);
        }
    }
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let mut polled = Pin::new(&mut self.body).poll_frame(cx);
        match &mut polled {
            Poll::Ready(Some(Ok(frame))) if frame.is_data() => {
                // A message: how a stream of many ends later, is another matter.
                self.settle(Verdict::Works);
                return polled;
            }
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(trailers) = frame.trailers_mut() {
                    details::drop_unreadable(trailers);
                    let verdict = Verdict::of_trailers(trailers);
                    self.settle(verdict);
                }
            }
            Poll::Ready(Some(Err(status))) => {
                let verdict = Verdict::of_failure(Failure::of_status(status));
                self.settle(verdict);
            }
            Poll::Ready(None) => {}
            Poll::Pending => return polled,
        }
        self.place = None;
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}
