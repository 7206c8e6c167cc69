//! Which calls are made once more, and which never.

use std::sync::Arc;

use bytes::Bytes;
use lastmile_edge::config::{BreakerConfig, UpstreamConfig};
use lastmile_edge::upstream::{Served, Upstream};
use prost::Message;
use serde_json::json;
use tokio::time::{Duration, Instant};
use tonic::{Code, Status};

use crate::backend::{Act, Backend, failure, response};
use crate::host::{Host, call, soon, until};
use crate::shop::message;

const GET: &str = "/shop.v1.Shop/GetItem";
const CREATE: &str = "/shop.v1.Shop/CreateItem";
const WATCH: &str = "/shop.v1.Streams/Watch";

fn item() -> Vec<Act> {
    vec![Act::Send(message("Item", json!({ "id": "bolt" })).encode_to_vec().into()), Act::End]
}

fn connect(hosts: &[&Host]) -> Upstream {
    let url = hosts.iter().map(|host| host.url()).collect();
    // What is told here is the budget's doing alone.
    let breaker = BreakerConfig { enabled: false, ..BreakerConfig::default() };
    let config = UpstreamConfig { url, breaker, ..UpstreamConfig::default() };
    let upstream = Upstream::connect(&[config]).expect("URLs");
    let repeatable = [GET, WATCH].map(ToOwned::to_owned).into();
    upstream.serve(Served { services: [("shop.v1.Shop".to_owned(), 0)].into(), repeatable });
    upstream
}

fn calls(backends: &[Backend]) -> usize {
    backends.iter().map(|backend| backend.calls().len()).sum()
}

#[tokio::test]
async fn unavailable_is_asked_once_more_where_nothing_can_happen_twice() {
    for (path, acts, expected) in [
        (GET, vec![failure(Code::Unavailable, "FULL")], 2),
        (CREATE, vec![failure(Code::Unavailable, "FULL")], 1),
        (GET, vec![failure(Code::Internal, "BUG")], 1),
        (GET, vec![failure(Code::DeadlineExceeded, "SLOW")], 1),
    ] {
        let backends = [(); 2].map(|()| {
            let acts = acts.clone();
            Backend::new(move |_, _| acts.clone())
        });
        let hosts = [Host::of(&backends[0]).await, Host::of(&backends[1]).await];
        let upstream = connect(&[&hosts[0], &hosts[1]]);
        upstream.unary(call(path), Bytes::new()).await.expect_err("a failure");
        assert_eq!(calls(&backends), expected, "{path} {acts:?}");
        assert!(backends.iter().all(|backend| backend.calls().len() <= 1), "another endpoint");
    }
}

#[tokio::test]
async fn a_call_that_was_sent_and_cut_is_not_repeated_unless_it_changes_nothing() {
    for (path, expected) in [(GET, 2), (CREATE, 1)] {
        let hanging = Backend::new(|_, _| vec![Act::Hang]);
        let other = Backend::new(|_, _| item());
        let (host, other_host) = (Host::of(&hanging).await, Host::of(&other).await);
        // The first call finds only the one that hangs.
        let upstream = connect(&[&host, &other_host]);
        let waiting = loop {
            let upstream = upstream.clone();
            let waiting = tokio::spawn(async move { upstream.unary(call(path), Bytes::new()).await });
            until("a call", || hanging.open_calls() == 1 || waiting.is_finished()).await;
            if !waiting.is_finished() {
                break waiting;
            }
        };
        let before = other.calls().len();
        host.kill().await;
        let outcome = soon("an outcome", waiting).await.expect("no panic");
        assert_eq!(outcome.is_ok(), expected == 2, "{path}: {outcome:?}");
        assert_eq!(1 + other.calls().len() - before, expected, "{path}");
    }
}

#[tokio::test]
async fn what_nobody_has_seen_is_sent_elsewhere_whatever_it_does() {
    let backend = Backend::new(|_, _| item());
    let (gone, host) = (Host::of(&backend).await, Host::of(&backend).await);
    let upstream = connect(&[&gone, &host]);
    gone.kill().await;
    for _ in 0..20 {
        upstream.unary(call(CREATE), Bytes::new()).await.expect("the other answers");
    }
    assert_eq!(backend.calls().len(), 20, "each once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_is_lost_between_goodbye_and_the_next_connection() {
    let backend = Backend::new(|_, _| item());
    let mut host = Host::of(&backend).await;
    let upstream = connect(&[&host]);
    for _ in 0..10 {
        upstream.unary(call(CREATE), Bytes::new()).await.expect("an answer");
        let address = host.address;
        host.drain().await;
        host = Host::at(address, crate::host::scripted(&backend)).await;
    }
    upstream.unary(call(CREATE), Bytes::new()).await.expect("an answer");
    assert_eq!(backend.calls().len(), 11);
}

#[tokio::test]
async fn the_time_limit_holds_over_all_tries() {
    let backend = Backend::new(|_, _| {
        vec![Act::Pause(Duration::from_millis(150)), Act::Fail(Status::unavailable("busy"))]
    });
    let host = Host::of(&backend).await;
    let upstream = connect(&[&host]);
    let deadline = Instant::now() + Duration::from_millis(220);
    let late = lastmile_edge::upstream::Call { deadline: Some(deadline), ..call(GET) };
    let error = upstream.unary(late, Bytes::new()).await.expect_err("too late");
    assert_eq!(error.reason_text(), "DEADLINE_EXCEEDED");
    assert!(Instant::now() < deadline + Duration::from_millis(100));
}

#[tokio::test]
async fn retries_never_become_the_load() {
    let backend = Backend::new(|_, _| vec![failure(Code::Unavailable, "FULL")]);
    let host = Host::of(&backend).await;
    let (upstream, begun) = (connect(&[&host]), Instant::now());
    for _ in 0..300 {
        upstream.unary(call(GET), Bytes::new()).await.expect_err("a failure");
    }
    let (calls, seconds) = (calls(&[backend]), begun.elapsed().as_secs_f64());
    let most = 400.0 + 10.0 * seconds;
    assert!(
        calls > 310 && (calls as f64) < most,
        "a fifth more, and some each second: {calls} in {seconds} s"
    );
}

#[tokio::test]
async fn a_stream_is_opened_again_but_never_begun_again() {
    let tries = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = Arc::clone(&tries);
    let backend = Backend::new(move |_, _| match counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
        0 => vec![failure(Code::Unavailable, "FULL")],
        _ => vec![response(json!({ "number": 1 })), failure(Code::Unavailable, "FULL")],
    });
    let host = Host::of(&backend).await;
    let upstream = connect(&[&host]);
    let mut stream = upstream.server_streaming(call(WATCH), Bytes::new()).await.expect("a stream");
    while let Ok(Some(_)) = stream.next().await {}
    assert!(tries.load(std::sync::atomic::Ordering::SeqCst) <= 2);
}
