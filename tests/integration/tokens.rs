//! What becomes of a token after it was issued: revoked, it is refused everywhere and ends what it opened.

use lastmile_tests::{Answer, App, Browser, SseStream, Topology, until};
use serde_json::json;

fn sse(browser: &Browser, path: &str) -> reqwest::RequestBuilder {
    browser.request("GET", path).header("accept", "text/event-stream")
}

async fn open(request: reqwest::RequestBuilder) -> SseStream {
    SseStream::new(request.send().await.expect("an answer"))
}

/// Why the edge ended the stream.
async fn close_reason(mut stream: SseStream) -> String {
    loop {
        let block = stream.next_named().await.expect("lm-close before the end");
        if block.name() == "lm-close" {
            return block.json()["reason"].as_str().unwrap_or_default().to_owned();
        }
        assert!(!["lm-end", "lm-error"].contains(&block.name()), "{block:?}");
    }
}

/// A session of alice: with its token, and what ends it.
async fn log_in(app: &App) -> (Browser, serde_json::Value) {
    let credentials = json!({"username": "alice", "password": "lastmile-dev"});
    let answer = app.browser().post("/api/login", &credentials).await.json();
    let token = answer["accessToken"].as_str().expect("an access token");
    (app.browser().with_token(token), json!({"refreshToken": answer["refreshToken"]}))
}

async fn log_out(app: &App, session: &serde_json::Value) {
    let answer = app.browser().post("/api/v1/auth/logout", session).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn logging_out_ends_the_streams_of_the_token_and_nothing_else() {
    for topology in [Topology::One, Topology::Two] {
        let app = App::start(topology).await;
        let ((alice, session), other) = (log_in(&app).await, app.login("alice").await);
        let cookie = format!("lm_access={}", alice.token());
        let by_header = open(sse(&alice, "/api/v1/users:watch")).await;
        let public = || sse(&app.browser(), "/api/v1/topics/ticks/events").header("cookie", &cookie);
        let by_cookie = open(public()).await;
        let mut kept = open(sse(&other, "/api/v1/users:watch")).await;
        assert_eq!(kept.outcomes().await, ["FRESH"], "{topology:?}");

        log_out(&app, &session).await;
        assert_eq!(close_reason(by_header).await, "token_revoked", "{topology:?}");
        assert_eq!(close_reason(by_cookie).await, "token_revoked", "{topology:?}");
        let again = Answer::to(sse(&alice, "/api/v1/users:watch")).await;
        assert_eq!(again.problem(), "401 TOKEN_REVOKED", "{topology:?}");
        assert_eq!(Answer::to(public()).await.problem(), "401 TOKEN_REVOKED", "{topology:?}");
        assert_eq!(other.get("/api/v1/users").await.status, 200, "{topology:?}");
    }
}

#[tokio::test]
async fn an_edge_alone_goes_on_with_the_revocations_that_it_knows() {
    let mut app = App::start(Topology::Two).await;
    let ((alice, session), other) = (log_in(&app).await, app.login("alice").await);
    log_out(&app, &session).await;
    until("the edge to hear of it", || async {
        let message = alice.get("/api/v1/users").await.text;
        message.contains("The token has been revoked. Log in again.").then_some(())
    })
    .await;
    app.core().kill().await;
    assert_eq!(other.get("/api/v1/users").await.status, 503);
    assert_eq!(alice.get("/api/v1/users").await.problem(), "401 TOKEN_REVOKED");
    app.restart_core().await;
    until("the core to be reached", || async {
        (other.get("/api/v1/users").await.status == 200).then_some(())
    })
    .await;
    assert_eq!(alice.get("/api/v1/users").await.problem(), "401 TOKEN_REVOKED");
}

#[tokio::test]
async fn a_ticket_opens_one_stream_of_a_page_that_can_send_no_headers() {
    for topology in [Topology::One, Topology::Two] {
        let app = App::start(topology).await;
        let (alice, session) = log_in(&app).await;
        let page = app.browser();
        let new = async || {
            let answer = alice.post("/tickets", &json!({})).await;
            assert_eq!(answer.status, 200, "{topology:?}: {answer:?}");
            format!(
                "/api/v1/topics/news/events?ticket={}",
                answer.json()["ticket"].as_str().expect("a ticket")
            )
        };
        let url = new().await;
        let mut stream = page.subscribe(&url, None).await;
        assert_eq!(stream.outcomes().await, ["FRESH"], "{topology:?}");
        alice.publish("news", 1).await;
        assert_eq!(stream.event().await.json()["data"], 1, "{topology:?}");
        let last_id = stream.last_id().expect("an id").to_owned();
        drop(stream);

        alice.publish("news", 2).await;
        // What EventSource does by itself, and must hear that it is no use.
        let again = Answer::to(sse(&page, &url).header("last-event-id", &last_id)).await;
        assert_eq!(again.problem(), "401 TICKET_SPENT", "{topology:?}");
        let mut stream = page.subscribe(&new().await, Some(&last_id)).await;
        assert_eq!(stream.outcomes().await, ["RESUMED"], "{topology:?}");
        assert_eq!(stream.event().await.json()["data"], 2, "{topology:?}");

        let unused = new().await;
        log_out(&app, &session).await;
        assert_eq!(close_reason(stream).await, "token_revoked", "{topology:?}");
        let late = Answer::to(sse(&page, &unused)).await;
        assert_eq!(late.problem(), "401 TOKEN_REVOKED", "{topology:?}");
    }
}
