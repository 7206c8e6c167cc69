//! Readers that fell behind and take nothing: they hold a position, and no call.

use std::time::Duration;

use futures_util::FutureExt;
use lastmile_edge::hub::{Item, Reader, Reading};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::backend::{Act, Backend, answer, event, position, response};
use crate::host::{soon, until};
use crate::site::Site;
use crate::subscriber::{Ask, caller, hub_with, join};

const STALLED: usize = 8;
/// What has happened before anybody comes: more than fits into the buffers of a connection.
const BEFORE: u32 = 600;

/// Event `number`, of 8 KiB.
fn large(number: u32) -> Act {
    response(json!({
        "cursor": number.to_string(), "previous": (number - 1).to_string(), "type": "tick", "number": number,
        "value": "x".repeat(8000),
    }))
}

/// A topic with a history, and a last event that happens when it is told.
fn topic(told: watch::Receiver<bool>) -> Backend {
    Backend::new(move |_, request| {
        let after = request["after"].as_str().map_or(BEFORE, |after| after.parse().expect("a number"));
        let mut acts = vec![position(after)];
        acts.extend((after + 1..=BEFORE).map(large));
        acts.extend([Act::When(told.clone()), large(BEFORE + 1), Act::Hang]);
        acts
    })
}

/// Asks for the whole history, and reads nothing of it.
async fn stall(site: &Site) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a small buffer");
    let mut stream = socket.connect(site.address).await.expect("a connection");
    let head =
        "GET /v1/listen?topic=a&cursor=0 HTTP/1.1\r\nhost: edge.test\r\naccept: text/event-stream\r\n\r\n";
    stream.write_all(head.as_bytes()).await.expect("a request sent");
    stream
}

/// The numbers of the events, up to the last one of the topic.
async fn read_all(mut stream: TcpStream) -> Vec<u32> {
    let (mut text, mut numbers) = (Vec::with_capacity(1 << 16), Vec::new());
    let mark = "\"number\":";
    while numbers.last() != Some(&(BEFORE + 1)) {
        assert_ne!(stream.read_buf(&mut text).await.expect("more"), 0, "it ended after {:?}", numbers.last());
        let read = std::str::from_utf8(&text).expect("ASCII");
        let mut done = 0;
        while let Some(at) = read[done..].find(mark) {
            let digits = &read[done + at + mark.len()..];
            let Some(end) = digits.find(|digit: char| !digit.is_ascii_digit()) else { break };
            numbers.push(digits[..end].parse().expect("a number"));
            done += at + mark.len() + end;
        }
        text.drain(..done.max(text.len().saturating_sub(64)));
    }
    numbers
}

#[tokio::test]
async fn stalled_connections_hold_no_call_of_their_own() {
    let (more, told) = watch::channel(false);
    let backend = topic(told);
    let settings = json!({ "auth": { "keys": "none" } });
    let site = Site::start(settings, &backend).await;
    let live = site.open("/v1/listen?topic=a", &[("accept", "text/event-stream")], "lm-open").await;
    let mut stalled = Vec::new();
    for _ in 0..STALLED {
        stalled.push(stall(&site).await);
    }
    until("a call for each", || backend.calls().len() == STALLED + 1).await;
    until("the end of the calls that nobody reads", || backend.open_calls() == 1).await;
    more.send(true).expect("the backend lives");
    let reading: Vec<_> = stalled.into_iter().map(|stream| tokio::spawn(read_all(stream))).collect();
    for reading in reading {
        let numbers = soon("the rest", reading).await.expect("no panic");
        assert!(numbers.iter().copied().eq(1..=BEFORE + 1), "{numbers:?}");
    }
    assert!(backend.calls().len() > STALLED + 1, "they have asked again where they stood");
    drop(live);
}

/// The number of the next event.
async fn next(reader: &mut Reader) -> u64 {
    let entry = reader.next().await.expect("no failure").expect("more");
    let Item::Event(event) = &entry.item else { panic!("{entry:?}") };
    let json: serde_json::Value = serde_json::from_slice(&event.json()).expect("JSON");
    json["number"].as_u64().expect("a number")
}

#[tokio::test(start_paused = true)]
async fn stalled_readers_hold_nothing_beyond_the_ring() {
    let (more, told) = watch::channel(false);
    let backend = topic(told);
    let bound = 20_000;
    let hub = hub_with(&backend, bound);
    let listen = Ask::new("Streams/Listen", json!({ "topic": "a" }));
    let mut live = join(&hub, Reading::Anonymous, &listen).await.expect("a stream");
    let mut stalled = Vec::new();
    for read in 0..10_u64 {
        let ask = listen.clone().after("0".to_owned());
        let mut reader = join(&hub, Reading::Anonymous, &ask).await.expect("a stream");
        for number in 1..=read {
            assert_eq!(next(&mut reader).await, number);
        }
        stalled.push((reader, read));
    }
    assert_eq!(backend.open_calls(), 11);
    let begun = Instant::now();
    while backend.open_calls() > 1 {
        assert!(begun.elapsed() < Duration::from_secs(5), "{} calls are open", backend.open_calls());
        sleep(Duration::from_millis(100)).await;
    }
    assert!(begun.elapsed() >= Duration::from_secs(1), "who pauses a moment keeps its call");
    assert!(hub.held() <= bound, "{} bytes are held", hub.held());
    more.send(true).expect("the backend lives");
    for (reader, read) in &mut stalled {
        for number in *read + 1..=u64::from(BEFORE) + 1 {
            assert_eq!(next(reader).await, number);
        }
    }
    assert_eq!(next(&mut live).await, u64::from(BEFORE) + 1);
    assert_eq!(backend.open_calls(), 1);
}

/// Who waits for what comes next is no one who takes nothing.
#[tokio::test(start_paused = true)]
async fn whoever_waits_keeps_its_call() {
    let backend = Backend::new(|_, request| match request["after"].as_str() {
        // Another order than the feed has: its ring is never met.
        Some(_) => vec![position(1), event(2), Act::Pause(Duration::from_secs(600)), event(3), Act::Hang],
        None => vec![position(50), Act::Hang],
    });
    let hub = hub_with(&backend, 2000);
    let listen = Ask::new("Streams/Listen", json!({ "topic": "a" }));
    let _live = join(&hub, caller("bob"), &listen).await.expect("a stream");
    let mut reader = join(&hub, caller("alice"), &listen.after("1".to_owned())).await.expect("a stream");
    assert_eq!((next(&mut reader).await, next(&mut reader).await), (2, 3));
    assert_eq!(backend.calls().len(), 2);
}

/// It was woken, but there is no room for what it would read: HTTP/2 does not ask then.
#[tokio::test(start_paused = true)]
async fn whoever_was_woken_and_does_not_read_holds_no_call() {
    let backend = Backend::new(|_, request| match request["after"].as_str() {
        Some("1") => vec![position(1), event(2), Act::Pause(Duration::from_secs(10)), event(3), Act::Hang],
        Some(_) => vec![position(2), event(3), Act::Hang],
        None => vec![position(50), Act::Hang],
    });
    let hub = hub_with(&backend, 2000);
    let listen = Ask::new("Streams/Listen", json!({ "topic": "a" }));
    let _live = join(&hub, caller("bob"), &listen).await.expect("a stream");
    let mut reader = join(&hub, caller("alice"), &listen.after("1".to_owned())).await.expect("a stream");
    assert_eq!(next(&mut reader).await, 2);
    assert!(reader.next().now_or_never().is_none());
    sleep(Duration::from_secs(9)).await;
    assert_eq!(backend.open_calls(), 2, "nothing has come");
    sleep(Duration::from_secs(6)).await;
    assert_eq!(backend.open_calls(), 1);
    assert_eq!(next(&mut reader).await, 3);
}

/// A backend that owes its position first: before the first event there is nothing to come back by.
#[tokio::test(start_paused = true)]
async fn whoever_has_no_place_yet_keeps_its_call() {
    let backend = Backend::new(|method, request| match (method, request["last"].as_u64()) {
        ("Streams/MayFollow", _) => answer("WatchResponse", json!({})),
        (_, Some(_)) => vec![event(7), Act::Hang],
        _ => vec![position(50), Act::Hang],
    });
    let hub = hub_with(&backend, 2000);
    let follow = |request| Ask::new("Streams/Follow", request);
    let _live = join(&hub, caller("bob"), &follow(json!({ "topic": "a" }))).await.expect("a stream");
    let ask = follow(json!({ "topic": "a", "last": 1 }));
    let mut reader = join(&hub, caller("alice"), &ask).await.expect("a stream");
    assert_eq!(reader.token(), None);
    sleep(Duration::from_secs(10)).await;
    assert_eq!(next(&mut reader).await, 7);
}
