//! A shutdown as sessions see it: each hears of its own turn, finishes what it has begun, and is gone before the edge is.

use std::net::SocketAddr;
use std::time::Duration;

use lastmile_edge::app::Edge;
use lastmile_edge::schema::Source;
use lastmile_edge::serve;
use lastmile_edge::workers::Workers;
use serde_json::{Value, json};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::client::{Client, dial};
use crate::backend::{Act, Backend, answer, event, position};
use crate::site::DESCRIPTORS;

/// An edge that can be shut down.
async fn edge(
    settings: Value,
    backend: &Backend,
) -> (SocketAddr, SocketAddr, oneshot::Sender<()>, JoinHandle<()>) {
    let config = serde_json::from_value(settings).expect("settings");
    let edge = Edge::new(config, backend.upstream(), Source::Encoded(&DESCRIPTORS), None).expect("an edge");
    edge.begin().await.expect("a good schema");
    let http = serve::bind("127.0.0.1:0").await.expect("a free port");
    let admin = serve::bind("127.0.0.1:0").await.expect("a free port");
    let addresses = (http.address().expect("bound"), admin.address().expect("bound"));
    let (stop, stopped) = oneshot::channel();
    let running = tokio::spawn(async move {
        let stopped = async { drop(stopped.await) };
        // As the binaries do: what runs on threads of its own is waited for, too.
        let workers = Workers::start().expect("threads");
        serve::run_on(workers, &edge, http, admin, stopped).await.expect("a good schema");
    });
    (addresses.0, addresses.1, stop, running)
}

#[tokio::test]
async fn each_session_has_its_turn_and_finishes_what_it_has_begun() {
    let (tell, told) = watch::channel(false);
    let (answer_now, may_answer) = watch::channel(false);
    let backend = Backend::new(move |method, _| match method {
        "Notes/GetNote" => {
            [vec![Act::When(may_answer.clone())], answer("Note", json!({ "name": "n" }))].concat()
        }
        _ => vec![position(1), Act::When(told.clone()), event(2), Act::Hang],
    });
    let settings = json!({ "drain": { "window": "1s", "grace": "20s" } });
    let (address, admin, stop, running) = edge(settings, &backend).await;
    let mut busy = Client::begin(address, json!({})).await;
    let call = busy.open("shop.v1.Notes/GetNote", json!({})).await;
    let mut reader = Client::begin(address, json!({})).await;
    reader.open("shop.v1.Streams/Watch", json!({ "json": { "topic": "a" }, "credit": 9 })).await;
    assert!(reader.hear().await.get("opened").is_some());
    let mut parked = Client::begin(address, json!({})).await;
    parked.close(1001).await;
    backend.opened(2).await;
    let begun = Instant::now();
    stop.send(()).expect("a running edge");

    for client in [&mut busy, &mut reader] {
        let mut frame = client.hear().await;
        while frame.get("goaway").is_none() {
            frame = client.hear().await;
        }
        assert_eq!(frame["goaway"]["reason"], "drain");
        assert!(frame["goaway"]["reconnectMs"].as_u64().unwrap_or_default() <= 1000, "{frame}");
    }
    let refused = busy.call("shop.v1.Notes/GetNote", json!({})).await.unwrap_err();
    assert_eq!(refused["details"][0]["reason"], "DRAINING", "{refused}");
    // Until its turn, a stream goes on.
    tell.send(true).expect("a backend");
    let mut number = Value::Null;
    while number.is_null() {
        number = reader.hear().await["message"]["json"]["number"].clone();
    }
    assert_eq!(number, 2);
    assert_eq!(reader.closed().await, ("drain".into(), 4503));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert!(!running.is_finished(), "a call is open");
    answer_now.send(true).expect("a backend");
    assert_eq!(busy.hear().await["message"]["call"], call);
    assert_eq!(busy.hear().await["end"]["call"], call);
    assert_eq!(busy.closed().await, ("drain".into(), 4503));
    timeout(Duration::from_secs(5), running).await.expect("the end").expect("no panic");
    assert!(tokio::net::TcpStream::connect(admin).await.is_err());
}

#[tokio::test]
async fn a_call_that_never_ends_is_cut_with_the_grace() {
    let backend = Backend::new(|_, _| vec![Act::Hang]);
    let settings = json!({ "drain": { "window": "100ms", "grace": "2s" } });
    let (address, _, stop, running) = edge(settings, &backend).await;
    let mut client = Client::begin(address, json!({})).await;
    let call = client.open("shop.v1.Notes/GetNote", json!({})).await;
    backend.opened(1).await;
    let begun = Instant::now();
    stop.send(()).expect("a running edge");
    let mut frame = client.hear().await;
    while frame.get("end").is_none() {
        frame = client.hear().await;
    }
    assert_eq!(
        (&frame["end"]["call"], &frame["end"]["details"][0]["reason"]),
        (&json!(call), &json!("CUT_BY_DRAIN"))
    );
    timeout(Duration::from_secs(5), running).await.expect("the end").expect("no panic");
    assert!(begun.elapsed() < Duration::from_millis(3500), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn metrics_tell_of_sessions() {
    let backend = Backend::new(|_, _| answer("Note", json!({})));
    let (address, admin, _stop, _running) = edge(json!({}), &backend).await;
    let mut client = Client::begin(address, json!({})).await;
    assert!(client.call("shop.v1.Notes/GetNote", json!({})).await.is_ok());
    let mut other = Client::begin(address, json!({})).await;
    other.close(1001).await;
    other.closed().await;
    let mut stranger = Client::new(address, dial(address, &[]).await);
    stranger.say(json!({ "hello": { "session": "nonsense" } })).await;
    stranger.hear().await;
    let text = crate::site::ask_of(admin, "GET /metrics", &[], "").await.text().to_owned();
    for line in [
        "sessions_opened_total 2",
        "sessions 2",
        "sessions_parked 1",
        "session_calls_total 1",
        "sessions_unknown_total 1",
        "session_breakers_open 0",
    ] {
        assert!(text.contains(&format!("\nlastmile_edge_{line}\n")), "no {line} in {text}");
    }
}
