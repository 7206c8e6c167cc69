//! SSE: every event once and in order, or a gap that is said.

use std::net::SocketAddr;

use lastmile_tests::{Browser, CuttingProxy, Publisher, SseStream, both};
use serde_json::{Value, json};

const NEWS: &str = "/api/v1/topics/news/events";

/// The next `count` numbers of a stream.
async fn numbers(stream: &mut SseStream, count: usize) -> Vec<u32> {
    let mut numbers = Vec::new();
    while numbers.len() < count {
        let event = stream.event().await;
        assert_eq!(event.name(), "number");
        assert!(event.id.is_some(), "{event:?}");
        let number = event.json()["data"].as_f64().expect("a number");
        numbers.push(number as u32);
    }
    numbers
}

async fn publish(publisher: &Publisher, numbers: impl IntoIterator<Item = u32>) {
    for number in numbers {
        publisher.publish("news", number).await.expect("an acknowledged event");
    }
}

async fn through(address: SocketAddr, path: &str, last_id: Option<&str>) -> SseStream {
    Browser::new(address).subscribe(path, last_id).await
}

#[tokio::test]
async fn a_fresh_stream_says_so_then_gives_its_position() {
    both(|app| async move {
        let request = app.browser().request("GET", NEWS).header("accept", "text/event-stream");
        let response = app.browser().open(request).await;
        assert_eq!(response.headers()["cache-control"], "no-store, no-transform");
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        let mut stream = SseStream::new(response);

        let open = stream.next_named().await.expect("lm-open");
        assert_eq!(open.name(), "lm-open");
        assert_eq!(open.json()["heartbeatMs"], 15_000);
        assert_eq!(open.json()["streams"][0]["outcome"], "FRESH");
        let position = stream.next().await.expect("a position");
        assert!(position.id.as_deref().is_some_and(|id| id.starts_with("lm1.")), "{position:?}");
        assert_eq!((&position.event, &position.data), (&None, &None));

        let publisher = Publisher::login(app.grpc(), "alice").await;
        publish(&publisher, 1..=2).await;
        let event = stream.event().await;
        assert_eq!(event.json()["topic"], "news");
        assert_eq!(event.json()["publisher"], "alice");
        assert_eq!(numbers(&mut stream, 1).await, [2]);
        let keys =
            open.json()["streams"][0].as_object().map(|stream| stream.keys().cloned().collect::<Vec<_>>());
        (keys, lastmile_tests::mask(event.data.as_deref().unwrap_or_default()))
    })
    .await;
}

#[tokio::test]
async fn resumes_after_socket_cuts_without_loss_or_repetition() {
    both(|app| async move {
        let proxy = CuttingProxy::start(app.http()).await;
        let publisher = Publisher::login(app.grpc(), "bob").await;
        let mut received = Vec::new();
        let mut last_id: Option<String> = None;
        for round in 0..4 {
            let mut stream = through(proxy.address(), NEWS, last_id.as_deref()).await;
            let expected = if round == 0 { "FRESH" } else { "RESUMED" };
            assert_eq!(stream.outcomes().await, [expected]);
            // The position comes before any event, so a page that saw none can resume too.
            stream.id().await;
            publish(&publisher, round * 10..round * 10 + 5).await;
            let pending = if round == 0 { 0 } else { 5 };
            received.extend(numbers(&mut stream, pending + 3).await);
            last_id = stream.last_id().map(String::from);
            proxy.cut();
            while stream.next().await.is_some() {}
            publish(&publisher, round * 10 + 5..round * 10 + 8).await;
        }
        let expected: Vec<u32> = (0..4).flat_map(|round| round * 10..round * 10 + 8).collect();
        assert_eq!(received, expected[..received.len()]);
        assert_eq!(received.len(), 3 + 3 * 8);
    })
    .await;
}

#[tokio::test]
async fn resumes_by_query_and_prefers_what_eventsource_saw_last() {
    both(|app| async move {
        let publisher = Publisher::login(app.grpc(), "bob").await;
        let browser = app.browser();
        let mut stream = browser.subscribe(NEWS, None).await;
        let start = stream.id().await;
        publish(&publisher, 1..=3).await;
        numbers(&mut stream, 2).await;
        let second = stream.last_id().map(String::from);

        let by_query = format!("{NEWS}?cursor={start}");
        let mut stream = browser.subscribe(&by_query, None).await;
        assert_eq!(stream.outcomes().await, ["RESUMED"]);
        assert_eq!(numbers(&mut stream, 3).await, [1, 2, 3]);

        // A native EventSource keeps its first URL and adds what it saw since.
        let mut stream = browser.subscribe(&by_query, second.as_deref()).await;
        assert_eq!(stream.outcomes().await, ["RESUMED"]);
        assert_eq!(numbers(&mut stream, 1).await, [3]);
    })
    .await;
}

#[tokio::test]
async fn a_raw_cursor_of_the_backend_goes_untouched() {
    both(|app| async move {
        let publisher = Publisher::login(app.grpc(), "bob").await;
        let cursor = publisher.publish("news", 1).await.expect("a cursor");
        publish(&publisher, 2..=3).await;
        let mut stream = app.browser().subscribe(&format!("{NEWS}?cursor={cursor}"), None).await;
        assert_eq!(stream.outcomes().await, ["RESUMED"]);
        assert_eq!(numbers(&mut stream, 2).await, [2, 3]);
    })
    .await;
}

#[tokio::test]
async fn begins_with_the_latest_events_when_asked() {
    both(|app| async move {
        let publisher = Publisher::login(app.grpc(), "bob").await;
        publish(&publisher, 1..=5).await;
        let mut stream = app.browser().subscribe(&format!("{NEWS}?last=2"), None).await;
        assert_eq!(stream.outcomes().await, ["FRESH"]);
        assert_eq!(numbers(&mut stream, 2).await, [4, 5]);
    })
    .await;
}

#[tokio::test]
async fn several_topics_resume_each_on_its_own() {
    both(|app| async move {
        let admin = app.login("admin").await;
        let publisher = Publisher::login(app.grpc(), "admin").await;
        let path = "/api/v1/events?topics=news&topics=staff";
        let mut stream = admin.subscribe(path, None).await;
        assert_eq!(stream.outcomes().await, ["FRESH", "FRESH"]);
        publisher.publish("news", 1).await.expect("published");
        publisher.publish("staff", 1).await.expect("published");
        numbers(&mut stream, 2).await;
        let token = stream.last_id().expect("a token").to_owned();
        assert_eq!(token.split('~').count(), 2, "{token}");
        drop(stream);

        for number in 2..=3 {
            publisher.publish("news", number).await.expect("published");
            publisher.publish("staff", number * 10).await.expect("published");
        }
        let mut stream = admin.subscribe(path, Some(&token)).await;
        assert_eq!(stream.outcomes().await, ["RESUMED", "RESUMED"]);
        let mut received: Vec<Value> = Vec::new();
        for _ in 0..4 {
            let event = stream.event().await.json();
            received.push(json!([event["topic"], event["data"].as_f64().map(|number| number as u32)]));
        }
        for topic in ["news", "staff"] {
            let of_topic: Vec<_> =
                received.iter().filter(|event| event[0] == topic).map(|event| &event[1]).collect();
            let expected = if topic == "news" { [2, 3] } else { [20, 30] };
            assert_eq!(of_topic, expected.map(Value::from).iter().collect::<Vec<_>>(), "{topic}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_watch_continues_from_the_state_that_was_read() {
    both(|app| async move {
        let admin = app.login("admin").await;
        let cursor = admin.get("/api/v1/users").await.json()["cursor"].as_str().expect("a cursor").to_owned();
        let patch = |name: &str| {
            let request = admin.request("PATCH", "/api/v1/users/1").json(&json!({"name": name}));
            lastmile_tests::Answer::to(request)
        };
        assert_eq!(patch("Alicia").await.status, 200);
        let mut stream = admin.subscribe(&format!("/api/v1/users:watch?cursor={cursor}"), None).await;
        assert_eq!(stream.outcomes().await, ["RESUMED"]);
        let event = stream.event().await;
        assert_eq!(event.name(), "user:update");
        assert_eq!(event.json()["userUpdated"]["user"]["name"], "Alicia");

        let user = json!({"user": {"username": "dora", "name": "Dora"}, "password": "long enough"});
        let id = admin.post("/api/v1/users", &user).await.json()["id"].clone();
        let event = stream.event().await;
        assert_eq!((event.name(), &event.json()["userCreated"]["user"]["id"]), ("user:create", &id));
        lastmile_tests::Answer::to(admin.request("DELETE", &format!("/api/v1/users/{id}"))).await;
        let event = stream.event().await;
        assert_eq!((event.name(), &event.json()["userDeleted"]["id"]), ("user:delete", &id));
    })
    .await;
}

#[tokio::test]
async fn the_demo_topic_ticks_for_anyone() {
    both(|app| async move {
        let mut stream = app.browser().subscribe("/api/v1/topics/ticks/events", None).await;
        assert_eq!(stream.outcomes().await, ["FRESH"]);
        let first = stream.event().await.json()["data"]["n"].as_f64().expect("a number");
        let id = stream.last_id().map(String::from);
        drop(stream);
        let mut stream = app.browser().subscribe("/api/v1/topics/ticks/events", id.as_deref()).await;
        assert_eq!(stream.outcomes().await, ["RESUMED"]);
        let second = stream.event().await.json()["data"]["n"].as_f64().expect("a number");
        assert_eq!(second, first + 1.0);
    })
    .await;
}
