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
