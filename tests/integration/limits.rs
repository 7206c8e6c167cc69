//! Requests that are too much, or no HTTP at all.

use lastmile_tests::{Answer, App, Topology, both, exchange, statuses};

const EVENTS: &str = "/api/v1/topics/news/events";

#[tokio::test]
async fn a_body_over_one_mebibyte_is_refused() {
    both(|app| async move {
        let alice = app.login("alice").await;
        let request = || alice.request("POST", EVENTS).header("content-type", "application/json");
        let announced = Answer::to(request().body(vec![b' '; 1024 * 1024 + 1])).await;
        assert_eq!(announced.status, 413, "{announced:?}");
        assert_eq!(announced.header("content-type"), "application/problem+json");
        let chunks =
            futures_util::stream::iter((0..32).map(|_| Ok::<_, std::io::Error>(vec![b' '; 64 * 1024])));
        // The answer may come while the body is still being sent, so the sender may see a broken connection instead.
        if let Ok(chunked) = request().body(reqwest::Body::wrap_stream(chunks)).send().await {
            assert_eq!(chunked.status(), 413);
        }
        let history = app.login("alice").await.get("/api/v1/topics/news/history").await;
        assert_eq!(history.json()["events"], serde_json::json!([]));
    })
    .await;
}

#[tokio::test]
async fn an_announced_terabyte_is_refused_before_it_is_sent() {
    let app = App::start(Topology::One).await;
    let token = app.login("alice").await.token().to_owned();
    let head = format!(
        "POST {EVENTS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
         Content-Length: 1099511627776\r\nConnection: close\r\n\r\n"
    );
    assert_eq!(statuses(&exchange(app.http(), head.as_bytes()).await), [413]);
}

#[tokio::test]
async fn a_head_over_16_kib_is_refused() {
    let app = App::start(Topology::One).await;
    let large = "a".repeat(20 * 1024);
    let header = format!("GET /api/v1/topics HTTP/1.1\r\nHost: x\r\nX-Large: {large}\r\n\r\n");
    assert_eq!(statuses(&exchange(app.http(), header.as_bytes()).await), [431]);
    let many = "X-Many: 1\r\n".repeat(500);
    let headers = format!("GET /api/v1/topics HTTP/1.1\r\nHost: x\r\n{many}\r\n");
    assert_eq!(statuses(&exchange(app.http(), headers.as_bytes()).await), [431]);
    let target = format!("GET /api/v1/topics?x={large} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let answered = statuses(&exchange(app.http(), target.as_bytes()).await);
    assert!(answered == [414] || answered == [431], "{answered:?}");
}

#[tokio::test]
async fn what_is_no_http_gets_one_answer_and_a_close() {
    let app = App::start(Topology::One).await;
    let rows = [
        "GET /api/v1/topics HTTP/1.1\r\nConnection: close\r\n\r\n",
        "GET /api/v1/topics HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n",
        "GET /api/v1/topics HTTP/1.1\r\nHost: x\r\nBroken header\r\n\r\n",
        "GET /api/v1/topics HTTP/1.1\r\nHost : x\r\n\r\n",
        "POST /api/login HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        "POST /api/login HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        "POST /api/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "nonsense\r\n\r\n",
    ];
    for row in rows {
        let answer = exchange(app.http(), row.as_bytes()).await;
        assert_eq!(statuses(&answer), [400], "{row:?}: {answer:?}");
    }
    // Both lengths at once: never two answers.
    let smuggled = "POST /api/login HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n\
                    0\r\n\r\nGET /api/v1/topics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let answer = exchange(app.http(), smuggled.as_bytes()).await;
    assert_eq!(statuses(&answer).len(), 1, "{answer:?}");
}

#[tokio::test]
async fn a_head_that_never_ends_is_cut() {
    let app = App::start_with(Topology::One, &[("LASTMILE_LIMITS__HEAD_TIMEOUT", "300ms")]).await;
    let begun = std::time::Instant::now();
    exchange(app.http(), b"GET /api/v1/topics HTTP/1.1\r\nHost: x\r\nX-Slow: ").await;
    assert!(begun.elapsed() < std::time::Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_body_that_never_ends_is_cut() {
    let app = App::start_with(Topology::One, &[("LASTMILE_LIMITS__BODY_TIMEOUT", "300ms")]).await;
    let head = "POST /api/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{";
    let answer = exchange(app.http(), head.as_bytes()).await;
    assert_eq!(statuses(&answer), [408], "{answer:?}");
}

#[tokio::test]
async fn too_many_requests_of_one_address_are_slowed_down() {
    let limits = [("LASTMILE_LIMITS__REQUESTS_PER_SECOND", "1"), ("LASTMILE_LIMITS__REQUEST_BURST", "5")];
    let app = App::start_with(Topology::One, &limits).await;
    let mut statuses = Vec::new();
    for _ in 0..8 {
        let answer = app.browser().get("/api/v1/topics").await;
        statuses.push(answer.status.as_u16());
        if answer.status == 429 {
            assert!(
                answer.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds >= 1),
                "{answer:?}"
            );
        }
    }
    assert!(statuses.starts_with(&[200; 5]) && statuses.contains(&429), "{statuses:?}");
}
