//! An edge between real sockets: the cafe behind it, a browser or a gRPC client before it.

use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use lastmile_edge::app::Edge;
use lastmile_edge::config::{EdgeConfig, LimitsConfig, UpstreamConfig};
use lastmile_edge::schema::{Source, descriptors};
use lastmile_edge::serve::{bind, serve};
use lastmile_edge::shutdown::Shutdown;
use lastmile_edge::upstream::Upstream;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::rpc::cafe::Cafe;
use crate::shop::compile;

static DESCRIPTORS: LazyLock<&'static [u8]> = LazyLock::new(|| {
    let files = compile(include_str!("cafe.proto"));
    descriptors::join_set(files).to_vec().leak()
});

/// Small, so that tests reach them.
pub(crate) const BODY_LIMIT: usize = 20_000;
pub(crate) const MESSAGE_LIMIT: usize = 50_000;

pub(crate) struct Stack {
    pub(crate) edge: SocketAddr,
    pub(crate) cafe: Cafe,
    pub(crate) drain: CancellationToken,
    /// Ends when everything that was open has ended.
    pub(crate) serving: JoinHandle<()>,
    _backend: DropGuard,
}

impl Stack {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut EdgeConfig)) -> Self {
        Self::start_before(UpstreamConfig::default(), change).await
    }

    /// The cafe is added to the addresses of the backend.
    pub(crate) async fn start_before(
        mut upstream: UpstreamConfig,
        change: impl FnOnce(&mut EdgeConfig),
    ) -> Self {
        let cafe = Cafe::new();
        let (backend, stop) = backend(&cafe).await;
        let mut config = EdgeConfig::default();
        config.drain.grace = Duration::from_secs(60);
        config.limits.body_bytes = BODY_LIMIT;
        config.limits.message_bytes = MESSAGE_LIMIT;
        config.calls.request_headers = ["x-tenant", "x-key-bin"].map(String::from).into();
        config.calls.response_headers = ["x-initial", "x-cost", "x-key-bin"].map(String::from).into();
        config.cors.origins = vec!["https://app.test".into()];
        change(&mut config);
        upstream.url.push(format!("http://{backend}"));
        let upstream = Upstream::connect(&[upstream]).expect("an upstream");
        let edge = Edge::new(config, upstream, Source::Encoded(*DESCRIPTORS), None).expect("an edge");
        edge.begin().await.expect("a good schema");
        let listeners = bind("127.0.0.1:0").await.expect("a port");
        let address = listeners.address().expect("an address");
        let drain = edge.drain().clone();
        let limits = edge.config().limits.clone();
        let serving = serve(listeners, edge.router(), limits, edge.shutdown());
        Self { edge: address, cafe, drain, serving: tokio::spawn(serving), _backend: stop.drop_guard() }
    }
}

async fn backend(cafe: &Cafe) -> (SocketAddr, CancellationToken) {
    let cafe = cafe.clone();
    let answer = move |request: Request| cafe.clone().respond(request);
    let listeners = bind("127.0.0.1:0").await.expect("a port");
    let address = listeners.address().expect("an address");
    let stop = CancellationToken::new();
    let router = Router::new().fallback(answer);
    let shutdown = Shutdown::new(stop.clone(), Duration::ZERO);
    tokio::spawn(serve(listeners, router, LimitsConfig::default(), shutdown));
    (address, stop)
}
