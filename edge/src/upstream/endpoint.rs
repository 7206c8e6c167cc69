//! One process of a backend: its connections, how many calls they carry, whether it can be reached.

use std::error::Error;
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
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep, timeout};
use tonic::Status;

use super::body::Outgoing;
use super::breaker::{Breaker, BreakerState, Change, Pass};
use super::connection::Connection;
use super::details;
use super::failure::{Failure, Shed, root};
use super::http2::{self, Received};
use super::manner::{ByEdge, Manner};
use super::pool::{Place, Pool};
use super::target::Target;
use super::verdict::Verdict;

const FIRST_PROBE: Duration = Duration::from_millis(100);
const SLOWEST_PROBE: Duration = Duration::from_secs(5);
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);
const USER_AGENT: HeaderValue =
    HeaderValue::from_static(concat!("lastmile-edge/", env!("CARGO_PKG_VERSION")));

/// One process of a backend.
#[derive(Debug)]
pub(super) struct Endpoint {
    manner: Arc<Manner>,
    target: Target,
    /// None where the target's URL itself names the process.
    pub(super) address: Option<SocketAddr>,
    /// One for each runtime that has called it.
    pools: ArcSwap<Vec<Arc<Pool>>>,
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

/// A call that is under way, until the body of its answer ends.
#[derive(Debug)]
struct UnderWay {
    endpoint: Arc<Endpoint>,
    place: Place,
    /// Until the breaker has its verdict.
    pass: Option<Pass>,
}

impl Endpoint {
    pub(super) fn new(manner: Arc<Manner>, target: Target, address: Option<SocketAddr>) -> Self {
        let breaker = Breaker::new(manner.breaker, Instant::now());
        Self {
            manner,
            target,
            address,
            pools: ArcSwap::default(),
            calls: AtomicUsize::new(0),
            breaker: Mutex::new(breaker),
            is_trusted: AtomicBool::new(true),
            aside: AtomicBool::new(false),
            asides: AtomicU64::new(0),
        }
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
            connections: self.pools.load().iter().map(|pool| pool.len()).sum(),
        }
    }

    /// Makes a call; its place is taken until the body of the answer ends.
    pub(super) async fn send(
        self: Arc<Self>,
        mut request: Request<Outgoing>,
    ) -> Result<Response<Counted>, Status> {
        for (name, value) in &self.manner.headers {
            request.headers_mut().insert(name, value.clone());
        }
        if let (Some(_), Some(credential)) = (request.extensions().get::<ByEdge>(), &self.manner.credential) {
            request.headers_mut().insert(header::AUTHORIZATION, credential.clone());
        }
        let admitted = self.breaker().admit(Instant::now());
        let pass = admitted.map_err(|wait| Status::from_error(Box::new(Shed { wait })))?;
        let mut call = self.begin(pass);
        match self.ask(&call.place.connection, request).await {
            Ok(mut response) => {
                self.reached();
                details::drop_unreadable(response.headers_mut());
                if let Some(verdict) = Verdict::of_head(response.status(), response.headers()) {
                    call.settle(verdict);
                }
                Ok(response.map(|body| Counted { body, call: Some(call) }))
            }
            Err(error) => {
                let failure = Failure::of_transport(&*error);
                call.settle(Verdict::of_failure(failure));
                if failure.is_of_endpoint() {
                    self.set_aside(&*error);
                }
                Err(Status::from_error(error))
            }
        }
    }

    async fn ask(
        &self,
        connection: &Connection,
        request: Request<Outgoing>,
    ) -> Result<Response<Received>, Box<dyn Error + Send + Sync>> {
        let sender = connection.sender().await?;
        let (mut head, body) = request.into_parts();
        head.uri = self.target.at(head.uri.into_parts().path_and_query);
        head.headers.insert(header::USER_AGENT, USER_AGENT);
        http2::call(sender, Request::from_parts(head, ()), body).await
    }

    fn begin(self: &Arc<Self>, pass: Pass) -> UnderWay {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let place = self.pool().place(|| Connection::new(self.target.clone(), self.address, None));
        UnderWay { endpoint: Arc::clone(self), place, pass: Some(pass) }
    }

    /// The connections of the runtime that asks.
    fn pool(&self) -> Arc<Pool> {
        let runtime = Handle::current().id();
        let here = |pools: &Vec<Arc<Pool>>| pools.iter().find(|pool| pool.runtime == runtime).cloned();
        if let Some(pool) = here(&self.pools.load()) {
            return pool;
        }
        // The endpoint may be another process after each connection, and of all only the first is sure to be made.
        let first = Connection::new(self.target.clone(), self.address, Some(self.manner.news.clone()));
        let new = Arc::new(Pool::new(runtime, first, self.manner.max_streams));
        self.pools.rcu(|pools| match here(pools) {
            Some(_) => Arc::clone(pools),
            None => Arc::new(pools.iter().chain([&new]).cloned().collect()),
        });
        here(&self.pools.load()).unwrap_or(new)
    }

    fn reached(&self) {
        if self.is_aside() && self.aside.swap(false, Ordering::Relaxed) {
            tracing::info!(upstream = self.manner.name, endpoint = self.describe(), "an endpoint is back");
            self.manner.news.tell();
        }
    }

    fn set_aside(self: &Arc<Self>, cause: &(dyn Error + 'static)) {
        if self.aside.swap(true, Ordering::Relaxed) {
            return;
        }
        tracing::warn!(
            upstream = self.manner.name,
            endpoint = self.describe(),
            cause = %root(cause),
            "an endpoint cannot be reached and is set aside"
        );
        let time = self.asides.fetch_add(1, Ordering::Relaxed) + 1;
        tokio::spawn(probe(Arc::downgrade(self), time));
    }

    /// Whether it answers at all, whatever it says.
    async fn answers(&self) -> bool {
        let mut request = Request::new(Outgoing::Whole(Bytes::from_static(&[0; 5])));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = http::Uri::from_static("/grpc.health.v1.Health/Check");
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        let connection = self.pool().first();
        matches!(timeout(PROBE_TIMEOUT, self.ask(&connection, request)).await, Ok(Ok(_)))
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

impl UnderWay {
    /// The first verdict counts.
    fn settle(&mut self, verdict: Verdict) {
        if let Some(pass) = self.pass.take() {
            self.endpoint.settle(pass, verdict);
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.settle(Verdict::Unknown);
        self.endpoint.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A body that gives its place back when it ends.
#[derive(Debug)]
pub(super) struct Counted {
    body: Received,
    call: Option<UnderWay>,
}

impl Counted {
    fn settle(&mut self, verdict: Verdict) {
        if let Some(call) = &mut self.call {
            call.settle(verdict);
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
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        let mut polled = polled.map_err(|error| Status::from_error(error.into()));
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
        self.call = None;
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}
