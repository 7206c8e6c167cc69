//! Streams that callers share: what they cost, and that nobody gets what is another's.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use lastmile_tests::{Answer, App, Browser, EdgeProcess, SseStream, Topology, metric, soon, until};
use reqwest::RequestBuilder;
use serde_json::{Value, json};

const NEWS: &str = "/api/v1/topics/news/events";
const SECRET: &str = "/api/v1/topics/secret/events";
const EACH: usize = 100;
const EVENTS: u32 = 50;

#[tokio::test]
async fn an_edge_whose_own_credential_is_refused_blames_itself() {
    let app = App::start(Topology::One).await;
    let edge = EdgeProcess::start(app.grpc(), "nonsense", &[]).await;
    let browser = Browser::new(edge.http());
    let request = browser.request("GET", NEWS).header("accept", "application/x-ndjson");
    let refused = Answer::to(request).await;
    assert_eq!(refused.problem(), "503 CREDENTIAL_REFUSED", "{refused:?}");
}

#[tokio::test]
async fn two_hundred_subscribers_cost_one_call_and_each_event_is_written_once() {
    for topology in [Topology::One, Topology::Two] {
        let app = App::start(topology).await;
        let browser = app.browser();
        let count = async |name: &str| metric(app.admin(), &format!("lastmile_edge_{name}")).await;
        let (mut events, mut lines) = (Vec::new(), Vec::new());
        for _ in 0..EACH {
            events.push(browser.subscribe(NEWS, None).await);
            let request = browser.request("GET", NEWS).header("accept", "application/x-ndjson");
            lines.push(browser.open(request).await);
        }
        let alice = app.login("alice").await;
        for number in 1..=EVENTS {
            alice.publish("news", number).await;
        }
        for stream in &mut events {
            assert_eq!(stream.outcomes().await, ["FRESH"], "{topology:?}");
            for number in 1..=EVENTS {
                assert_eq!(stream.event().await.json()["data"], number, "{topology:?}");
            }
        }
        for response in lines.drain(..) {
            assert_eq!(numbers(response).await, (1..=EVENTS).collect::<Vec<_>>(), "{topology:?}");
        }
        assert_eq!(count("upstream_stream_calls_total").await, 1, "{topology:?}");
        assert_eq!(count("catch_up_calls_total").await, 0, "{topology:?}");
        assert_eq!(count("events_rendered_total").await, u64::from(EVENTS), "{topology:?}");
        assert_eq!(count("feeds").await, 1, "{topology:?}");
        drop(events);
        until("all readers to have left", || async { (count("readers").await == 0).then_some(()) }).await;
    }
}

/// The first events of an NDJSON body, which is left then.
async fn numbers(response: reqwest::Response) -> Vec<u32> {
    let (mut body, mut text, mut numbers) = (response.bytes_stream(), Vec::new(), Vec::new());
    while numbers.len() < EVENTS as usize {
        let bytes = soon("a line", body.next()).await.expect("more").expect("bytes");
        text.extend_from_slice(&bytes);
        while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = text.drain(..=end).collect();
            let line: Value = serde_json::from_slice(line.trim_ascii()).unwrap_or_default();
            numbers.extend(line["data"].as_f64().map(|number| number as u32));
        }
    }
    numbers
}

fn ask(browser: &Browser) -> RequestBuilder {
    browser.request("GET", SECRET).header("accept", "text/event-stream")
}

async fn patch(browser: &Browser, path: &str, body: Value) {
    let answer = Answer::to(browser.request("PATCH", path).json(&body)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// Reads until the stream has ended: the numbers that came, and why it did.
async fn rest(mut stream: SseStream) -> (Vec<u32>, String) {
    let (mut numbers, mut reason) = (Vec::new(), String::new());
    while let Some(block) = stream.next_named().await {
        match block.name() {
            "number" => numbers.push(block.json()["data"].as_f64().unwrap_or_default() as u32),
            "lm-close" => reason = block.json()["reason"].as_str().unwrap_or_default().to_owned(),
            _ => {}
        }
    }
    (numbers, reason)
}

/// A topic for administrators and alice; carol, who is one; and the administrator who made both.
async fn secret(app: &App) -> (Browser, Browser, Value) {
    let admin = app.login("admin").await;
    let alice = app.login("alice").await.get("/api/v1/auth/me").await.json();
    let alice = alice["user"]["id"].as_i64().or(alice["id"].as_i64()).expect("an id");
    let readers = ["role:admin".to_owned(), format!("user:{alice}")];
    let rules = json!({"publish": ["role:admin"], "subscribe": readers});
    let answer = admin.post("/api/v1/topics", &json!({"name": "secret", "rules": rules})).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let carol = json!({"username": "carol", "name": "Carol", "role": "admin"});
    let body = json!({"user": carol, "password": "lastmile-dev"});
    let carol = admin.post("/api/v1/users", &body).await;
    assert_eq!(carol.status, 200, "{carol:?}");
    let id = carol.json()["id"].clone();
    (admin, app.login("carol").await, id)
}

#[tokio::test]
async fn what_one_caller_may_read_never_reaches_another_who_may_not() {
    for topology in [Topology::One, Topology::Two] {
        let app = App::start(topology).await;
        let (admin, carol, id) = secret(&app).await;
        let (alice, bob) = (app.login("alice").await, app.login("bob").await);
        let refused = Answer::to(ask(&bob)).await;
        assert_eq!(refused.status, 403, "{topology:?}: {refused:?}");

        let mut streams = Vec::new();
        for reader in [&alice, &carol, &admin] {
            let mut stream = reader.subscribe(SECRET, None).await;
            assert_eq!(stream.outcomes().await, ["FRESH"], "{topology:?}");
            streams.push(stream);
        }
        assert_eq!(metric(app.admin(), "lastmile_edge_feeds").await, 1, "{topology:?}: they share it");
        admin.publish("secret", 1).await;
        for stream in &mut streams {
            assert_eq!(stream.event().await.json()["data"], 1, "{topology:?}");
        }
        let [alices, mut carols, mut admins] = <[SseStream; 3]>::try_from(streams).expect("three");

        let rules = json!({"rules": {"publish": ["role:admin"], "subscribe": ["role:admin"]}});
        patch(&admin, "/api/v1/topics/secret", rules).await;
        let begun = Instant::now();
        assert_eq!(rest(alices).await, (vec![], "access_lost".to_owned()), "{topology:?}");
        assert!(begun.elapsed() < Duration::from_secs(1), "{topology:?}: {:?}", begun.elapsed());
        admin.publish("secret", 2).await;
        assert_eq!(carols.event().await.json()["data"], 2, "{topology:?}: a right of her own");
        assert_eq!(Answer::to(ask(&alice)).await.status, 403, "{topology:?}");

        patch(&admin, &format!("/api/v1/users/{id}"), json!({"role": "user"})).await;
        let begun = Instant::now();
        // Her token says what she was.
        assert_eq!(rest(carols).await, (vec![], "token_revoked".to_owned()), "{topology:?}");
        assert!(begun.elapsed() < Duration::from_secs(1), "{topology:?}: {:?}", begun.elapsed());
        admin.publish("secret", 3).await;
        assert_eq!(Answer::to(ask(&carol)).await.status, 401, "{topology:?}");
        assert_eq!(Answer::to(ask(&app.login("carol").await)).await.status, 403, "{topology:?}");

        // Who may still read has missed nothing.
        for number in 2..=3 {
            assert_eq!(admins.event().await.json()["data"], number, "{topology:?}");
        }
    }
}

#[tokio::test]
async fn a_shared_stream_ends_for_whose_token_is_over_and_for_nobody_else() {
    let lifetime = [("LASTMILE_ACCESS_TOKEN_LIFETIME", "2s")];
    let app = App::start_with(Topology::Two, &lifetime).await;
    let (_admin, carol, _) = secret(&app).await;
    let begun = Instant::now();
    let early = carol.subscribe(SECRET, None).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    let later = app.login("carol").await.subscribe(SECRET, None).await;
    let (early, ended) = (rest(early).await, begun.elapsed());
    // 2 s of the token, and 25 s more in which a browser may come with a new one.
    assert_eq!(early, (vec![], "token_expired".to_owned()));
    assert!((25..=29).contains(&ended.as_secs()), "{ended:?}");
    // It goes on for the other, until its own token is over.
    app.login("admin").await.publish("secret", 1).await;
    assert_eq!(rest(later).await, (vec![1], "token_expired".to_owned()));
}
