//! The backend is away, slow, or no longer wanted.

use std::time::{Duration, Instant};

use lastmile_tests::{Answer, App, Browser, ForeignBackend, Language, SseStream, Topology, until};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

const PRICES: &str = "/acme/v1/prices?sku=bolt";

#[tokio::test]
async fn a_backend_that_is_away_gives_503_and_comes_back() {
    let mut app = App::start(Topology::Two).await;
    let alice = app.login("alice").await;
    let ready = Browser::new(app.admin());
    assert_eq!(ready.get("/livez").await.status, 200);
    assert_eq!(ready.get("/readyz").await.status, 200);
    app.core().kill().await;

    let unary = alice.get("/api/v1/users").await;
    assert_eq!(unary.status, 503, "{unary:?}");
    assert_eq!(unary.json()["code"], "UNAVAILABLE");
    let stream = alice.request("GET", "/api/v1/topics/news/events").header("accept", "text/event-stream");
    assert_eq!(Answer::to(stream).await.status, 503, "whoever sends headers gets the real status");
    assert_eq!(ready.get("/livez").await.status, 200);

    // A native EventSource would give up for good on 503: it gets 200, says why, and comes back.
    let mut native = app.browser().subscribe("/api/v1/topics/news/events", None).await;
    let mut retry = None;
    let close = loop {
        let block = native.next().await.expect("lm-close before the end");
        retry = block.retry.clone().or(retry);
        if block.event.is_some() {
            break block;
        }
    };
    assert_eq!(close.name(), "lm-close", "{close:?}");
    assert!(close.json()["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{close:?}");
    assert!(retry.is_some(), "a time to come back");
    assert_eq!(native.next_named().await, None);

    app.restart_core().await;
    until("the backend to be back", || async {
        (alice.get("/api/v1/users").await.status == 200).then_some(())
    })
    .await;
    let mut native = app.browser().subscribe("/api/v1/topics/news/events", None).await;
    assert_eq!(native.outcomes().await, ["FRESH"]);
}

#[tokio::test]
async fn who_reads_nothing_does_not_hold_up_the_others() {
    let app = App::start(Topology::Two).await;
    let alice = app.login("alice").await;
    let event = json!({ "type": "big", "data": "x".repeat(60_000) });
    for _ in 0..100 {
        assert_eq!(alice.post("/api/v1/topics/news/events", &event).await.status, 200);
    }
    // Each asks for all 6 MB; together they would fill any window that the calls of the edge share.
    let mut stalled = Vec::new();
    for _ in 0..8 {
        let mut socket = TcpStream::connect(app.http()).await.expect("a connection");
        let request = "GET /api/v1/topics/news/events?last=100 HTTP/1.1\r\nhost: edge\r\n\r\n";
        socket.write_all(request.as_bytes()).await.expect("a request");
        socket.readable().await.expect("the head");
        stalled.push(socket);
    }
    // Nothing tells from outside that the windows are full; too early a question only makes the test milder.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let list = timeout(Duration::from_secs(5), alice.get("/api/v1/users")).await.expect("an answer in time");
    assert_eq!(list.status, 200);
}

/// An edge in front of the Python backend.
struct Setting {
    backend: ForeignBackend,
    browser: Browser,
    _edge: lastmile_tests::Process,
}

async fn setting() -> Setting {
    let backend = ForeignBackend::start(Language::Python).await.expect("Python is always there");
    let (http, edge) = App::edge(backend.address(), &[]).await;
    Setting { backend, browser: Browser::new(http), _edge: edge }
}

/// How many endless streams the backend sees: open and ended.
async fn streams(browser: &Browser) -> (i64, i64) {
    let counts = browser.get("/acme/v1/streams").await.json();
    (counts["open"].as_i64().expect("a number"), counts["ended"].as_i64().expect("a number"))
}

#[tokio::test]
async fn a_page_that_leaves_ends_the_call() {
    let setting = setting().await;
    for accept in ["text/event-stream", "application/x-ndjson"] {
        let (_, before) = streams(&setting.browser).await;
        let request = setting.browser.request("GET", PRICES).header("accept", accept);
        let response = setting.browser.open(request).await;
        until("the stream to be open", || async { (streams(&setting.browser).await.0 == 1).then_some(()) })
            .await;
        drop(response);
        let ended = || async { (streams(&setting.browser).await == (0, before + 1)).then_some(()) };
        until("the backend to be told", ended).await;
    }
}

#[tokio::test]
async fn a_deadline_ends_calls_and_streams() {
    let setting = setting().await;
    let begun = Instant::now();
    let request = setting.browser.request("GET", "/acme/v1/wait?time=20s").header("grpc-timeout", "200m");
    let answer = Answer::to(request).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["code"]), (504, &"DEADLINE_EXCEEDED".into()));
    assert!(begun.elapsed() < Duration::from_secs(10));

    let request = setting.browser.request("GET", PRICES).header("accept", "text/event-stream");
    let response = setting.browser.open(request.header("grpc-timeout", "400m")).await;
    let mut stream = SseStream::new(response);
    let last = loop {
        match stream.next_named().await.expect("an end that is said") {
            block if block.name() == "lm-error" => break block,
            _ => {}
        }
    };
    assert_eq!(last.json()["code"], "DEADLINE_EXCEEDED");
    assert_eq!(stream.next_named().await, None);
    until("the backend to be told", || async { (streams(&setting.browser).await.0 == 0).then_some(()) })
        .await;

    for bad in ["1x", "-1S", "123456789S", ""] {
        let request = setting.browser.request("GET", "/acme/v1/headers").header("grpc-timeout", bad);
        assert_eq!(Answer::to(request).await.problem(), "400 FIELD_INVALID grpc-timeout", "{bad}");
    }
}

#[tokio::test]
async fn the_edges_own_limit_holds_for_unary_calls() {
    let backend = ForeignBackend::start(Language::Python).await.expect("Python is always there");
    let (http, _edge) = App::edge(backend.address(), &[("LASTMILE_CALLS__TIMEOUT", "300ms")]).await;
    let answer = Browser::new(http).get("/acme/v1/wait?time=20s").await;
    assert_eq!(answer.status, 504, "{answer:?}");
}

#[tokio::test]
async fn a_stream_cut_by_a_dying_backend_is_never_silent() {
    let mut setting = setting().await;
    let request = setting.browser.request("GET", PRICES).header("accept", "text/event-stream");
    let mut stream = SseStream::new(setting.browser.open(request).await);
    stream.next_named().await.expect("a first message");
    setting.backend.restart().await;
    let mut last = None;
    while let Some(block) = stream.next_named().await {
        if block.name().starts_with("lm-") {
            last = Some(block);
        }
    }
    let last = last.expect("a word at the end");
    assert!(["lm-error", "lm-close"].contains(&last.name()), "{last:?}");
}

#[tokio::test]
async fn no_answer_waits_for_an_acknowledgement() {
    let app = App::start(Topology::Two).await;
    let alice = app.login("alice").await;
    let mut fastest = Duration::MAX;
    for call in 0..60 {
        let begun = Instant::now();
        assert_eq!(alice.get("/api/users").await.status, 200);
        // The first answers of a connection are acknowledged at once; later ones up to 40 ms late.
        if call >= 40 {
            fastest = fastest.min(begun.elapsed());
        }
    }
    assert!(fastest < Duration::from_millis(30), "each answer waits {fastest:?}: is TCP_NODELAY set?");
}
