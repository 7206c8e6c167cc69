//! Circuit breakers over sockets: a process that fails most calls gets none, and comes back by a few that go well.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response};
use lastmile_edge::config::{BreakerConfig, UpstreamConfig};
use lastmile_edge::upstream::{BreakerState, Upstream};
use tonic::body::Body;

use crate::host::{Answer, Host, call, saying, soon};

const GET: &str = "/shop.v1.Shop/GetItem";

/// A process that can be told to fail.
#[derive(Clone, Default)]
struct Moody {
    fails: Arc<AtomicBool>,
    in_head: bool,
    calls: Arc<AtomicUsize>,
}

impl Moody {
    fn in_head() -> Self {
        Self { in_head: true, ..Self::default() }
    }

    async fn host(&self) -> Host {
        let (moody, fine) = (self.clone(), saying(b""));
        let answer: Answer = Arc::new(move |request| {
            if !request.uri().path().starts_with("/shop.v1.") {
                return fine(request);
            }
            moody.calls.fetch_add(1, Ordering::SeqCst);
            match moody.fails.load(Ordering::SeqCst) {
                true => Box::pin(std::future::ready(unavailable(moody.in_head))),
                false => fine(request),
            }
        });
        Host::at(([127, 0, 0, 1], 0).into(), answer).await
    }

    fn fail(&self, fails: bool) {
        self.fails.store(fails, Ordering::SeqCst);
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

fn unavailable(in_head: bool) -> Response<Body> {
    let status = [("grpc-status".parse().expect("a name"), HeaderValue::from_static("14"))];
    let trailers: http::HeaderMap = status.into_iter().collect();
    let mut response = Response::new(Body::empty());
    if in_head {
        *response.headers_mut() = trailers;
    } else {
        let frames = tokio_stream::once(Ok::<_, tonic::Status>(http_body::Frame::trailers(trailers)));
        response = Response::new(Body::new(http_body_util::StreamBody::new(frames)));
    }
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    response
}

fn before(hosts: &[&Host], breaker: BreakerConfig) -> Upstream {
    let url = hosts.iter().map(|host| host.url()).collect();
    Upstream::connect(&[UpstreamConfig { url, breaker, ..UpstreamConfig::default() }])
        .expect("a configuration")
}

fn rule() -> BreakerConfig {
    BreakerConfig {
        minimum_calls: 10,
        pause: Duration::from_millis(300),
        trials: 2,
        ..BreakerConfig::default()
    }
}

/// The reasons of so many calls, `OK` when they go well.
async fn reasons(upstream: &Upstream, count: usize) -> Vec<String> {
    let mut reasons = Vec::new();
    for _ in 0..count {
        let outcome = soon("an answer", upstream.unary(call(GET), Bytes::new())).await;
        reasons.push(outcome.map_or_else(|error| error.reason_text().to_owned(), |_| "OK".to_owned()));
    }
    reasons
}

fn states(upstream: &Upstream) -> Vec<BreakerState> {
    upstream.endpoints().iter().map(|endpoint| endpoint.breaker).collect()
}

#[tokio::test]
async fn opens_on_unavailable_in_head_or_trailers_and_closes_by_trials() {
    for moody in [Moody::in_head(), Moody::default()] {
        let host = moody.host().await;
        let upstream = before(&[&host], rule());
        assert_eq!(reasons(&upstream, 3).await, ["OK"; 3]);
        moody.fail(true);
        assert_eq!(reasons(&upstream, 7).await, ["UNAVAILABLE"; 7]);
        assert_eq!(states(&upstream), [BreakerState::Open]);
        let asked = moody.calls();
        let shed = soon("an answer", upstream.unary(call(GET), Bytes::new())).await.expect_err("it is open");
        assert_eq!((shed.http_status().as_u16(), shed.reason_text()), (503, "UPSTREAM_BREAKER_OPEN"));
        assert!(shed.headers().iter().any(|(name, _)| name == "retry-after"), "{shed:?}");
        assert_eq!(moody.calls(), asked, "nothing reaches the backend");
        moody.fail(false);
        // Until the pause is over there is no event to wait for.
        let mut all = Vec::new();
        while states(&upstream) != [BreakerState::Closed] {
            all.extend(reasons(&upstream, 1).await);
            tokio::time::sleep(Duration::from_millis(5)).await;
            assert!(all.len() < 2000, "it never closes");
        }
        assert_eq!(all.iter().filter(|reason| *reason == "OK").count(), 2, "{all:?}");
        assert_eq!(reasons(&upstream, 3).await, ["OK"; 3]);
    }
}

#[tokio::test]
async fn calls_go_where_they_succeed() {
    let (moody, fine) = (Moody::in_head(), Moody::default());
    let (first, second) = (moody.host().await, fine.host().await);
    let upstream = before(&[&first, &second], BreakerConfig { pause: Duration::from_secs(60), ..rule() });
    moody.fail(true);
    while !states(&upstream).contains(&BreakerState::Open) {
        reasons(&upstream, 1).await;
        assert!(moody.calls() < 100, "it never opens");
    }
    let asked = moody.calls();
    // More than the budget of retries would cover.
    assert_eq!(reasons(&upstream, 400).await, ["OK"; 400]);
    assert_eq!(moody.calls(), asked);
}

#[tokio::test]
async fn what_a_method_thinks_of_its_callers_opens_nothing() {
    let answer: Answer = Arc::new(move |_| {
        let status = tonic::Status::resource_exhausted("not you again");
        Box::pin(std::future::ready(status.into_http()))
    });
    let host = Host::at(([127, 0, 0, 1], 0).into(), answer).await;
    let upstream = before(&[&host], rule());
    assert_eq!(reasons(&upstream, 40).await, ["RESOURCE_EXHAUSTED"; 40]);
    assert_eq!(states(&upstream), [BreakerState::Closed]);
}

#[tokio::test]
async fn a_restart_closes_no_door() {
    let moody = Moody::default();
    let host = moody.host().await;
    let address = host.address;
    let upstream = before(&[&host], BreakerConfig { pause: Duration::from_secs(60), ..rule() });
    assert_eq!(reasons(&upstream, 1).await, ["OK"]);
    host.kill().await;
    assert!(!reasons(&upstream, 40).await.contains(&"OK".to_owned()));
    assert_eq!(states(&upstream), [BreakerState::Closed]);
    let _again = Host::at(address, saying(b"")).await;
    let back = async {
        while reasons(&upstream, 1).await != ["OK"] {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    soon("the backend", Box::pin(back)).await;
}
