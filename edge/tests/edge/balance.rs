//! Several processes of one backend: they come and go under load, and share it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use lastmile_edge::config::UpstreamConfig;
use lastmile_edge::upstream::{Served, Upstream};
use serde_json::json;
use tokio::task::JoinSet;

use crate::backend::{Act, Backend, response};
use crate::host::{Host, Zone, beside, call, scripted, soon, until};
use crate::shop::message;

const GET: &str = "/shop.v1.Shop/GetItem";
const WATCH: &str = "/shop.v1.Streams/Watch";

fn item() -> Vec<Act> {
    use prost::Message;
    vec![Act::Send(message("Item", json!({ "id": "bolt" })).encode_to_vec().into()), Act::End]
}

fn by_name(zone: &Zone, max_streams: usize) -> Upstream {
    let config =
        UpstreamConfig { url: vec!["http://shop.test:1".into()], max_streams, ..UpstreamConfig::default() };
    let upstream = Upstream::connect_by(&[config], &zone.names()).expect("a good configuration");
    upstream.serve(Served {
        services: [("shop.v1.Shop".to_owned(), 0)].into(),
        repeatable: [GET.to_owned()].into(),
    });
    upstream
}

/// Calls without pause until it is dropped; counts what came of them.
struct Load {
    _callers: JoinSet<()>,
    failed: Arc<Mutex<Vec<String>>>,
    done: Arc<AtomicUsize>,
}

impl Load {
    fn start(upstream: &Upstream) -> Self {
        let (failed, done) = (Arc::<Mutex<Vec<String>>>::default(), Arc::new(AtomicUsize::new(0)));
        let mut callers = JoinSet::new();
        for _ in 0..8 {
            let (upstream, failed, done) = (upstream.clone(), Arc::clone(&failed), Arc::clone(&done));
            callers.spawn(async move {
                loop {
                    match upstream.unary(call(GET), Bytes::new()).await {
                        Ok(_) => _ = done.fetch_add(1, Ordering::SeqCst),
                        Err(error) => {
                            failed.lock().expect("no panic").push(error.to_string());
                            tokio::task::yield_now().await;
                        }
                    }
                }
            });
        }
        Self { _callers: callers, failed, done }
    }

    async fn more(&self, calls: usize) {
        let before = self.done.load(Ordering::SeqCst);
        until("more calls", || self.done.load(Ordering::SeqCst) >= before + calls).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_while_a_backend_scales_from_one_to_three_to_one() {
    let backends = [(); 3].map(|()| Backend::new(|_, _| item()));
    let first = Host::of(&backends[0]).await;
    let zone = Zone::default();
    zone.set(&[first.address]);
    let upstream = by_name(&zone, 100);
    let load = Load::start(&upstream);
    load.more(100).await;

    let second = Host::at(beside(first.address, 2), scripted(&backends[1])).await;
    let third = Host::at(beside(first.address, 3), scripted(&backends[2])).await;
    zone.set(&[first.address, second.address, third.address]);
    let has_calls = |place: usize| backends[place].calls().len() > 100;
    until("calls to all three", || has_calls(1) && has_calls(2)).await;

    // One is killed before its name is gone, the other says goodbye.
    second.kill().await;
    load.more(200).await;
    third.drain().await;
    load.more(200).await;
    zone.set(&[first.address]);
    until("one endpoint", || upstream.endpoints().len() == 1).await;
    load.more(200).await;
    assert_eq!(*load.failed.lock().expect("no panic"), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn equal_processes_share_the_calls() {
    let backends = [(); 3].map(|()| Backend::new(|_, _| item()));
    let mut hosts = Vec::new();
    for backend in &backends {
        hosts.push(Host::of(backend).await);
    }
    let url = hosts.iter().map(Host::url).collect();
    let upstream = Upstream::connect(&[UpstreamConfig { url, ..UpstreamConfig::default() }]).expect("URLs");
    let load = Load::start(&upstream);
    load.more(900).await;
    assert_eq!(*load.failed.lock().expect("no panic"), Vec::<String>::new());
    for backend in &backends {
        assert!(backend.calls().len() > 200, "{}", backend.calls().len());
    }
    assert!(hosts.iter().all(|host| host.connections() == 1));
}

#[tokio::test]
async fn open_streams_count_as_load() {
    let backends = [(); 2].map(|()| Backend::new(|_, _| vec![response(json!({ "number": 1 })), Act::Hang]));
    let hosts = [Host::of(&backends[0]).await, Host::of(&backends[1]).await];
    let url = hosts.iter().map(Host::url).collect();
    let upstream = Upstream::connect(&[UpstreamConfig { url, ..UpstreamConfig::default() }]).expect("URLs");
    let mut streams = Vec::new();
    for _ in 0..10 {
        streams.push(upstream.server_streaming(call(WATCH), Bytes::new()).await.expect("a stream"));
    }
    assert_eq!(backends.each_ref().map(Backend::open_calls), [5, 5]);
    drop(streams);
    until("no calls", || upstream.endpoints().iter().all(|endpoint| endpoint.calls == 0)).await;
}

#[tokio::test]
async fn endless_streams_never_fill_the_only_connection() {
    let backend = Backend::new(|_, _| vec![response(json!({ "number": 1 })), Act::Hang]);
    let host = Host::of(&backend).await;
    let zone = Zone::default();
    zone.set(&[host.address]);
    let upstream = by_name(&zone, 2);
    let mut streams = Vec::new();
    for _ in 0..5 {
        streams.push(upstream.server_streaming(call(WATCH), Bytes::new()).await.expect("a stream"));
    }
    assert_eq!((host.connections(), upstream.endpoints()[0].connections), (3, 3));
    streams.drain(1..);
    until("spare connections to go", || upstream.endpoints()[0].connections == 1).await;
}

#[tokio::test]
async fn a_process_that_is_gone_from_its_name_ends_its_calls_and_gets_no_new_ones() {
    let ticking = || {
        Backend::new(|_, _| {
            vec![
                response(json!({ "number": 1 })),
                Act::Pause(std::time::Duration::from_millis(300)),
                response(json!({ "number": 2 })),
                Act::End,
            ]
        })
    };
    let (old, new) = (ticking(), ticking());
    let old_host = Host::of(&old).await;
    let new_host = Host::at(beside(old_host.address, 2), scripted(&new)).await;
    let zone = Zone::default();
    zone.set(&[old_host.address]);
    let upstream = by_name(&zone, 100);
    let mut stream = upstream.server_streaming(call(WATCH), Bytes::new()).await.expect("a stream");
    assert!(stream.next().await.expect("a first message").is_some());

    zone.set(&[new_host.address]);
    let is_new = |endpoint: &str| endpoint == new_host.address.to_string();
    until("the new address", || upstream.endpoints().iter().all(|one| is_new(&one.endpoint))).await;
    upstream.server_streaming(call(WATCH), Bytes::new()).await.expect("a stream");
    assert_eq!((old.calls().len(), new.calls().len()), (1, 1));
    assert!(soon("the second message", stream.next()).await.expect("a message").is_some());
    assert!(soon("the end", stream.next()).await.expect("a clean end").is_none());

    // A name that is not found any more keeps what it had.
    zone.set(&[]);
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    upstream.server_streaming(call(WATCH), Bytes::new()).await.expect("a stream");
}

#[tokio::test]
async fn a_name_without_address_is_unavailable_until_it_has_one() {
    let backend = Backend::new(|_, _| item());
    let host = Host::of(&backend).await;
    let zone = Zone::default();
    let upstream = by_name(&zone, 100);
    let error = upstream.unary(call(GET), Bytes::new()).await.expect_err("no address");
    assert_eq!(error.reason_text(), "UPSTREAM_UNAVAILABLE");
    zone.set(&[host.address]);
    until("an address", || !upstream.endpoints().is_empty()).await;
    upstream.unary(call(GET), Bytes::new()).await.expect("an answer");
}

#[tokio::test]
async fn a_process_that_was_set_aside_is_found_again() {
    let backends = [(); 2].map(|()| Backend::new(|_, _| item()));
    let hosts = [Host::of(&backends[0]).await, Host::of(&backends[1]).await];
    let url = hosts.iter().map(Host::url).collect();
    let upstream = Upstream::connect(&[UpstreamConfig { url, ..UpstreamConfig::default() }]).expect("URLs");
    let [first, second] = hosts;
    let address = first.address;
    first.kill().await;
    let is_up = || upstream.endpoints().iter().map(|endpoint| endpoint.is_up).collect::<Vec<_>>();
    for _ in 0..20 {
        upstream.unary(call(GET), Bytes::new()).await.expect("the other answers");
    }
    assert_eq!(is_up(), [false, true]);
    let _first = Host::at(address, scripted(&backends[0])).await;
    until("a probe", || is_up() == [true, true]).await;
    let news = upstream.news().expect("a remote backend");
    assert!(*news.borrow() > 0, "a backend that came back may be another");
    drop(second);
}
