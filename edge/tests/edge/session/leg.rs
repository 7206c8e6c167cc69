//! The event-stream leg: the same session, frames in by request; and a native EventSource that says nothing.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::client::{Client, dial};
use crate::backend::{Act, Backend, answer, event, position, response};
use crate::issuer::Issuer;
use crate::rpc::stack::Stack;
use crate::site::{Site, ask_of};

/// An event stream that is read frame by frame.
struct Leg {
    stream: TcpStream,
    text: String,
}

impl Leg {
    async fn open(address: std::net::SocketAddr, query: &str, headers: &[(&str, &str)]) -> Self {
        let target = format!("/stream?fallback=1{query}");
        let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head =
            format!("GET {target} HTTP/1.1\r\nhost: edge.test\r\naccept: text/event-stream\r\n{lines}\r\n");
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        stream.write_all(head.as_bytes()).await.expect("a request sent");
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(stream.read_u8().await.expect("a head"));
        }
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", answer.escape_ascii());
        Self { stream, text: String::new() }
    }

    /// The next block: its id and its frame.
    async fn block(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let line =
                    |name: &str| block.lines().find_map(|line| line.strip_prefix(name).map(str::to_owned));
                let found = line("data: ").map(|data| serde_json::from_str(&data).expect("JSON"));
                let id = line("id: ").unwrap_or_default();
                self.text = rest.to_owned();
                match found {
                    Some(frame) => return Some((id, frame)),
                    None => continue,
                }
            }
            let chunk = self.chunk().await?;
            self.text.push_str(&chunk);
        }
    }

    /// The next chunk (RFC 9112, section 7.1); none at the end.
    async fn chunk(&mut self) -> Option<String> {
        let mut size = Vec::new();
        while !size.ends_with(b"\r\n") {
            let read = timeout(std::time::Duration::from_secs(20), self.stream.read_u8());
            size.push(read.await.expect("a frame in time").ok()?);
        }
        let size = std::str::from_utf8(size.trim_ascii()).expect("hexadecimal digits");
        let size = usize::from_str_radix(size, 16).expect("a size");
        let mut chunk = vec![0; size + 2];
        self.stream.read_exact(&mut chunk).await.ok()?;
        chunk.truncate(size);
        (size > 0).then(|| String::from_utf8(chunk).expect("UTF-8"))
    }

    async fn frame(&mut self) -> Value {
        self.block().await.expect("a frame").1
    }
}

#[tokio::test]
async fn a_conversation_moves_between_carriers_and_each_message_arrives_once() {
    let stack = Stack::start().await;
    let mut client = Client::begin(stack.edge, json!({})).await;
    let call = client.open("cafe.v1.Cafe/Chat", json!({ "credit": 100 })).await;
    let send = |number: u64| json!({ "send": { "call": call, "json": { "number": number } } });
    client.say(send(1)).await;
    let mut heard = Vec::new();
    while heard.is_empty() {
        heard.extend(client.hear().await["message"]["json"]["number"].as_str().map(str::to_owned));
    }
    client.cut();
    let session = client.session.clone();
    let mut leg =
        Leg::open(stack.edge, &format!("&session={session}&received={}", client.received), &[]).await;
    // `open` and a message: the edge has two.
    let ready = leg.frame().await["ready"].clone();
    assert_eq!((&ready["session"], &ready["received"]), (&json!(session), &json!(2)), "{ready}");
    let post = async |first: u64, body: String| {
        let line = format!("POST /stream/{session}?first={first}");
        ask_of(stack.edge, &line, &[("content-type", "application/json")], body).await
    };
    let both = json!([send(2), send(3)]).to_string();
    for _ in 0..3 {
        let answer = post(3, both.clone()).await;
        assert_eq!((answer.status, answer.json()), (200, json!({ "received": 4 })), "again and again");
    }
    let mut had = client.received;
    while heard.len() < 3 {
        let frame = leg.frame().await;
        had += u64::from(frame.get("ack").is_none());
        heard.extend(frame["message"]["json"]["number"].as_str().map(str::to_owned));
    }
    let lines = format!("{}\n{}\n", send(3), send(4));
    let line = format!("POST /stream/{session}?first=4");
    let answer = ask_of(stack.edge, &line, &[("content-type", "application/x-ndjson")], lines).await;
    assert_eq!(answer.json(), json!({ "received": 5 }), "one of them is new");
    let ahead = post(9, json!([send(9)]).to_string()).await;
    assert_eq!((ahead.status, ahead.json()["reason"].clone()), (409, json!("FRAMES_AHEAD")));
    let broken = post(6, "{".into()).await;
    assert_eq!((broken.status, broken.json()["reason"].clone()), (400, json!("FRAME_INVALID")));
    while heard.len() < 4 {
        let frame = leg.frame().await;
        had += u64::from(frame.get("ack").is_none());
        heard.extend(frame["message"]["json"]["number"].as_str().map(str::to_owned));
    }
    assert_eq!(heard, ["1", "2", "3", "4"]);

    // And back to a WebSocket, while the stream is still open.
    let mut back = Client::new(stack.edge, dial(stack.edge, &[]).await);
    back.say(json!({ "hello": { "session": session, "received": had } })).await;
    back.be_ready().await;
    assert_eq!(back.ready["received"], 5);
    assert_eq!(leg.frame().await["goaway"]["reason"], "session_superseded");
    assert!(leg.block().await.is_none(), "and it ends");
    let late = post(6, json!([send(5)]).to_string()).await;
    assert_eq!((late.status, late.json()["reason"].clone()), (409, json!("SESSION_SUPERSEDED")));
    back.say(send(5)).await;
    while heard.len() < 5 {
        heard.extend(back.hear().await["message"]["json"]["number"].as_str().map(str::to_owned));
    }
    assert_eq!(heard.last().map(String::as_str), Some("5"));
    assert_eq!(stack.cafe.calls(), 1);
}

/// A request may arrive when its event stream is gone. `ready` says that its `open` was had, so the client opens the stream
/// again, and must not hear of the first one by a channel that it was never told of.
#[tokio::test]
async fn a_stream_that_is_opened_without_a_connection_goes_before_the_next_one() {
    let backend = Backend::new(|_, _| vec![position(0), event(1), Act::Hang]);
    let site = Site::start(json!({}), &backend).await;
    let mut first = Leg::open(site.address, "", &[]).await;
    let session = first.frame().await["ready"]["session"].as_str().expect("a name").to_owned();
    drop(first);
    // Most of the time it is noticed by then, and otherwise the stream goes with that connection.
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    let post = async |number: u64| {
        let open = json!({ "open": {
            "call": number, "method": "shop.v1.Streams/Watch", "json": { "topic": "a" }, "credit": 9
        } });
        let line = format!("POST /stream/{session}?first={number}");
        let answer =
            ask_of(site.address, &line, &[("content-type", "application/json")], open.to_string()).await;
        assert_eq!((answer.status, answer.json()), (200, json!({ "received": number })));
    };
    post(1).await;
    backend.opened(1).await;
    let mut second = Leg::open(site.address, &format!("&session={session}&received=0"), &[]).await;
    assert_eq!(second.frame().await["ready"]["received"], 1);
    post(2).await;
    let (mut told, mut message) = (Vec::new(), Value::Null);
    while message["json"].is_null() {
        let frame = second.frame().await;
        told.extend(frame["opened"]["call"].as_u64());
        message = frame["message"].clone();
    }
    assert_eq!(told.last(), Some(&2), "{message}");
}

#[tokio::test]
async fn a_session_may_begin_as_an_event_stream() {
    let site = Site::start(json!({}), &Backend::new(|_, _| answer("Note", json!({ "name": "n" })))).await;
    let mut leg = Leg::open(site.address, "", &[]).await;
    let session = leg.frame().await["ready"]["session"].as_str().expect("a session").to_owned();
    let open = json!({ "open": { "call": 1, "method": "shop.v1.Notes/GetNote" } }).to_string();
    let answer = site.ask(&format!("POST /stream/{session}?first=1"), &[], &open).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(leg.frame().await["message"]["json"]["name"], "n");
    assert_eq!(leg.frame().await["end"]["call"], 1);
    for (line, status, reason) in [
        ("POST /stream/nonsense?first=1", 404, "SESSION_UNKNOWN"),
        (&*format!("POST /stream/{session}"), 400, "FIELD_INVALID"),
        (&*format!("POST /stream/{session}?first=0"), 400, "FIELD_INVALID"),
        (&*format!("POST /stream/{session}?first=2"), 400, "FRAME_INVALID"),
    ] {
        let body = if reason == "FRAME_INVALID" {
            json!({ "cancel": { "call": 7 } }).to_string()
        } else {
            open.clone()
        };
        let answer = site.ask(line, &[], body).await;
        assert_eq!((answer.status, answer.json()["reason"].clone()), (status, json!(reason)), "{line}");
    }
    let goaway = leg.frame().await["goaway"].clone();
    assert!(goaway["reason"].as_str().is_some_and(|reason| reason.contains("never opened")), "{goaway}");
    assert!(leg.block().await.is_none());
    let mut unknown = Leg::open(site.address, "&session=nonsense", &[]).await;
    assert_eq!(unknown.frame().await["goaway"]["reason"], "session_unknown");
    assert!(unknown.block().await.is_none());
}

#[tokio::test]
async fn a_stolen_name_carries_no_frames_and_no_stream_for_another_caller() {
    let issuer = Issuer::new();
    let site = issuer.site(json!({}), &Backend::new(|_, _| answer("Note", json!({ "name": "n" })))).await;
    let [alice, bob] = ["alice", "bob"].map(|name| format!("Bearer {}", issuer.token(name, name)));
    let mut leg = Leg::open(site.address, "", &[("authorization", &alice)]).await;
    let session = leg.frame().await["ready"]["session"].as_str().expect("a session").to_owned();
    let open = json!({ "open": { "call": 1, "method": "shop.v1.Notes/GetNote" } }).to_string();
    let line = format!("POST /stream/{session}?first=1");
    for headers in [&[("authorization", bob.as_str())][..], &[]] {
        let answer = site.ask(&line, headers, &*open).await;
        assert_eq!((answer.status, answer.json()["reason"].clone()), (404, json!("SESSION_UNKNOWN")));
        let mut thief = Leg::open(site.address, &format!("&session={session}"), headers).await;
        assert_eq!(thief.frame().await["goaway"]["reason"], "session_unknown");
        assert!(thief.block().await.is_none());
    }
    // It noticed nothing, and its first frame is still its own.
    let answer = site.ask(&line, &[("authorization", &alice)], &*open).await;
    assert_eq!(answer.json(), json!({ "received": 1 }), "{answer:?}");
    assert_eq!(leg.frame().await["message"]["json"]["name"], "n");
}

#[tokio::test]
async fn a_native_event_source_reads_topics_and_resumes_by_its_last_id() {
    let backend = Backend::new(|_, request| match request["after"].as_str() {
        Some("3") => vec![position(3), event(4), Act::Hang],
        _ => vec![position(1), event(2), event(3), Act::Hang],
    });
    let site = Site::start(json!({ "streams": { "linger": "0s" } }), &backend).await;
    let query = "&method=shop.v1.Streams/Watch&topics=a";
    let mut leg = Leg::open(site.address, query, &[]).await;
    assert!(leg.frame().await.get("ready").is_some());
    let (id, opened) = leg.block().await.expect("a block");
    assert!(opened["opened"]["outcome"] == "OUTCOME_FRESH" && id.starts_with("lm1."), "{opened} {id}");
    let mut last = String::new();
    for number in 2..=3 {
        let (id, frame) = leg.block().await.expect("a block");
        assert_eq!(
            (&frame["message"]["json"]["number"], &frame["message"]["cursor"]),
            (&json!(number), &json!(id))
        );
        last = id;
    }
    drop(leg);
    backend.closed().await;
    let mut leg = Leg::open(site.address, query, &[("last-event-id", &last)]).await;
    leg.frame().await;
    assert_eq!(leg.frame().await["opened"]["outcome"], "OUTCOME_RESUMED");
    assert_eq!(leg.frame().await["message"]["json"]["number"], 4);
    let ambiguous = site.get("/stream?fallback=1&topics=a", &[]).await;
    assert!(ambiguous.json()["detail"].as_str().expect("text").contains("method="), "{ambiguous:?}");
    assert_eq!(site.get("/stream?fallback=1&topcis=a", &[]).await.status, 400);
}

/// More than is written at a time, which the next event waits for.
#[tokio::test]
async fn large_events_follow_each_other_by_an_event_stream() {
    let large = |number: u32| {
        let text = "x".repeat(20_000);
        response(
            json!({ "cursor": number.to_string(), "previous": (number - 1).to_string(), "type": "tick", "value": text }),
        )
    };
    let backend =
        Backend::new(move |_, _| [vec![position(0)], (1..=9).map(large).collect(), vec![Act::Hang]].concat());
    let site = Site::start(json!({ "sessions": { "heartbeat": "60s" } }), &backend).await;
    let mut leg = Leg::open(site.address, "&method=shop.v1.Streams/Watch&topics=a", &[]).await;
    assert!(leg.frame().await.get("ready").is_some());
    assert_eq!(leg.frame().await["opened"]["outcome"], "OUTCOME_FRESH");
    for number in 1..=9 {
        let (id, frame) = leg.block().await.expect("a block");
        assert_eq!(frame["message"]["cursor"], json!(id), "event {number}");
    }
}

#[tokio::test]
async fn a_session_moves_to_a_new_page_load_once_and_only_for_its_caller() {
    let issuer = Issuer::new();
    let (tell, told) = tokio::sync::watch::channel(false);
    let backend = Backend::new(move |_, _| {
        [vec![Act::When(told.clone())], answer("Note", json!({ "name": "n" }))].concat()
    });
    let site = issuer.site(json!({ "hmr": { "enabled": true } }), &backend).await;
    let [alice, bob] = ["alice", "bob"]
        .map(|name| (issuer.token(name, name), format!("Bearer {}", issuer.token(name, "x"))));
    let mut old = Client::begin(site.address, json!({ "token": alice.0 })).await;
    let call = old.open("shop.v1.Notes/GetNote", json!({})).await;
    backend.opened(1).await;
    let migrate = async |authorization: &str, session: &str| {
        let headers = [("authorization", authorization), ("x-vite-hmr-id", session)];
        site.ask("POST /hmr/migrate", &headers, "").await
    };
    assert_eq!(migrate(&bob.1, &old.session).await.status, 404);
    assert_eq!(migrate(&alice.1, "nonsense").await.status, 404);
    let ticket =
        migrate(&alice.1, &old.session).await.json()["ticket"].as_str().expect("a ticket").to_owned();
    tell.send(true).expect("a backend");
    backend.opened(0).await;
    // The old page goes away; whatever it had not read comes to the new one.
    old.cut();
    let mut new = Client::new(site.address, dial(site.address, &[]).await);
    new.say(json!({ "hello": { "ticket": ticket } })).await;
    new.be_ready().await;
    assert_eq!(new.session, old.session);
    assert_eq!(new.hear().await["message"]["call"], call);
    let mut again = Client::new(site.address, dial(site.address, &[]).await);
    again.say(json!({ "hello": { "ticket": ticket } })).await;
    assert_eq!(again.closed().await, ("TICKET_SPENT".into(), 4401));

    let plain = issuer.site(json!({}), &backend).await;
    let refused = plain.ask("POST /hmr/migrate", &[("authorization", &alice.1)], "").await;
    assert_eq!((refused.status, refused.json()["reason"].clone()), (404, json!("NOT_SERVED")));
}
