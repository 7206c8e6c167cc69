//! Too many connections, too many streams, too many at once: who comes last is told so, who reads already notices nothing.

use prost::Message;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::backend::{Act, Backend, event, position};
use crate::host::until;
use crate::rpc::cafe::{framed, word};
use crate::rpc::client::{post, read, read_some, send, send2};
use crate::rpc::stack::Stack;
use crate::site::{Answer, Site, read_until};

const WATCH: &str = "/v1/watch?topic=a";
const NATIVE: (&str, &str) = ("accept", "text/event-stream");
/// Who can set this can read a status.
const PROGRAM: (&str, &str) = ("authorization", "Bearer x");

fn backend() -> Backend {
    Backend::new(|_, _| vec![position(0), event(1), Act::Hang])
}

async fn site(settings: Value, backend: &Backend) -> Site {
    let mut all = json!({ "cors": { "origins": ["https://app.test"] }, "auth": { "keys": "none" } });
    all.as_object_mut().expect("keys").extend(settings.as_object().expect("keys").clone());
    Site::start(all, backend).await
}

/// Status, reason and detail of a problem.
fn problem(answer: &Answer) -> (u16, String, String) {
    let problem = answer.json();
    let text = |name: &str| problem[name].as_str().unwrap_or_default().to_owned();
    (answer.status, text("reason"), text("detail"))
}

/// The milliseconds of `retry:` of a stream that says no more than that it is refused.
fn refused_in_band(answer: &Answer) -> u64 {
    let (retry, rest) = answer.text().split_once('\n').expect("lines");
    assert_eq!(
        (answer.status, rest.trim()),
        (200, "event: lm-close\ndata: {\"reason\":\"overload\"}"),
        "{answer:?}"
    );
    retry.trim_start_matches("retry: ").trim().parse().expect("milliseconds")
}

#[tokio::test]
async fn an_address_has_so_many_streams_and_gets_their_places_back() {
    let backend = backend();
    let site = site(json!({ "limits": { "streams_per_address": 2 } }), &backend).await;
    let first = site.open(WATCH, &[NATIVE], "event: tick").await;
    let mut second = site.open(WATCH, &[NATIVE], "event: tick").await;
    let refused = site.get(WATCH, &[NATIVE, PROGRAM, ("origin", "https://app.test")]).await;
    let (status, reason, detail) = problem(&refused);
    assert_eq!((status, reason.as_str()), (429, "STREAMS_EXHAUSTED"));
    assert!(detail.contains("`limits.streams_per_address`"), "{detail}");
    assert!(!refused.header("retry-after").is_empty());
    assert_eq!(refused.header("access-control-allow-origin"), "https://app.test");
    refused_in_band(&site.get(WATCH, &[NATIVE]).await);
    let poll = site.get(WATCH, &[("prefer", "wait=1")]).await;
    assert_eq!(problem(&poll).1, "STREAMS_EXHAUSTED", "a poll is a stream too");
    assert_eq!(backend.open_calls(), 2, "the backend is not asked");
    drop(first);
    until("the end of the first", || backend.open_calls() == 1).await;
    for _ in 0..3 {
        let third = site.open(WATCH, &[NATIVE], "event: tick").await;
        drop(third);
        until("the end of the third", || backend.open_calls() == 1).await;
    }
    // Unary calls and refused streams take no place.
    assert_eq!(site.get("/v1/watch?nope=1", &[NATIVE, PROGRAM]).await.status, 400);
    drop(site.open(WATCH, &[NATIVE], "event: tick").await);
    tokio::io::AsyncWriteExt::write_all(&mut second, b"").await.expect("it is still open");
}

#[tokio::test]
async fn streams_of_every_rpc_face_count_too() {
    let stack = Stack::start_with(|config| config.limits.streams_per_address = 1).await;
    let frame = || framed(0, &word("hang", 1).encode_to_vec());
    let web = || post("Tell", "application/grpc-web+proto", &[], frame());
    let mut held = send(stack.edge, web()).await;
    read_some(held.body_mut()).await;
    assert_eq!(read(send(stack.edge, web()).await).await.header("grpc-status"), "8");
    let grpc = read(send2(stack.edge, post("Tell", "application/grpc", &[], frame())).await).await;
    assert_eq!(grpc.header("grpc-status"), "8");
    let connect = framed(0, br#"{"text":"hang"}"#);
    let connect = read(send(stack.edge, post("Tell", "application/connect+json", &[], connect)).await).await;
    assert!(String::from_utf8_lossy(&connect.body).contains("resource_exhausted"), "{connect:?}");
    let unary = framed(0, &word("x", 1).encode_to_vec());
    let unary = read(send(stack.edge, post("Do", "application/grpc-web+proto", &[], unary)).await).await;
    assert_eq!(unary.header("grpc-status"), "", "calls that are no streams go on");
    drop(held);
    stack.cafe.open(0).await;
    let mut again = send(stack.edge, web()).await;
    read_some(again.body_mut()).await;
}

#[tokio::test]
async fn a_herd_is_told_its_turns_and_hurts_nobody_who_reads() {
    let (more, told) = watch::channel(false);
    let backend = Backend::new(move |_, _| {
        let mut acts = vec![position(0), event(1)];
        let told = told.clone();
        acts.push(Act::When(told));
        acts.extend([event(2), Act::Hang]);
        acts
    });
    let settings = json!({ "streams": { "opens_per_second": 1, "opens_burst": 2, "retry": "10ms" } });
    let site = site(settings, &backend).await;
    let mut reader = site.open(WATCH, &[NATIVE], "id: lm1.").await;
    site.open(WATCH, &[NATIVE], "event: tick").await;
    let mut turns = Vec::new();
    for _ in 0..8 {
        turns.push(refused_in_band(&site.get(WATCH, &[NATIVE]).await));
    }
    assert!(turns.iter().all(|turn| *turn >= 800), "not before there is room: {turns:?}");
    assert!(turns[7] > 2 * turns[0], "each has its own turn: {turns:?}");
    let refused = site.get(WATCH, &[NATIVE, PROGRAM]).await;
    let (status, reason, detail) = problem(&refused);
    assert_eq!((status, reason.as_str()), (503, "OVERLOAD"));
    assert!(detail.contains("`streams.opens_per_second`"), "{detail}");
    assert!(refused.header("retry-after").parse::<u64>().expect("seconds") >= 1);
    assert!(backend.calls().len() <= 3, "the backend is not asked");
    more.send(true).expect("the backend lives");
    read_until(&mut reader, "\"number\":2").await;
}

#[tokio::test]
async fn an_address_has_so_many_connections_and_hears_when_there_are_more() {
    let backend = backend();
    let site = site(json!({ "limits": { "connections_per_address": 1 } }), &backend).await;
    let held = site.open(WATCH, &[NATIVE], "event: tick").await;
    let refused = site.get("/v1/watch?topic=a", &[PROGRAM, ("origin", "https://app.test")]).await;
    let (status, reason, detail) = problem(&refused);
    assert_eq!((status, reason.as_str()), (429, "CONNECTIONS_EXHAUSTED"));
    assert!(detail.contains("`limits.connections_per_address`"), "{detail}");
    assert_eq!(refused.header("access-control-allow-origin"), "https://app.test");
    assert!(!refused.header("retry-after").is_empty());
    drop(held);
    until("the end of the stream", || backend.open_calls() == 0).await;
    // The connection itself ends a moment after its stream.
    crate::host::soon("room", async {
        while site.get("/nowhere", &[]).await.status != 404 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let settings = json!({ "limits": { "connections_per_address": 1, "trusted_proxies": ["127.0.0.1"] } });
    let proxied = Site::start(settings, &backend).await;
    let _held = proxied.open(WATCH, &[NATIVE], "event: tick").await;
    assert_eq!(proxied.get("/nowhere", &[]).await.status, 404, "a proxy has many");
}
