//! Backends that the edge was never compiled against, in other languages.

use lastmile_tests::{
    Answer, App, BodyEnd, Browser, EdgeProcess, ForeignBackend, Language, Process, SseStream, read_body,
};
use serde_json::json;

/// A backend with an edge before it.
struct Setting {
    backend: ForeignBackend,
    browser: Browser,
    _edge: Process,
}

impl Setting {
    async fn start(language: Language) -> Option<Self> {
        let backend = ForeignBackend::start(language).await?;
        let (http, edge) = App::edge(backend.address(), &[]).await;
        Some(Self { backend, browser: Browser::new(http), _edge: edge })
    }

    /// In each language that is installed.
    async fn all() -> Vec<Self> {
        let mut all = vec![Self::python().await];
        all.extend(Self::start(Language::Go).await);
        all
    }

    async fn python() -> Self {
        Self::start(Language::Python).await.expect("Python is always there")
    }
}

#[tokio::test]
async fn unary_calls_by_path_and_query() {
    for Setting { browser, .. } in &Setting::all().await {
        let bolt = browser.get("/acme/v1/items/bolt").await;
        assert_eq!(bolt.status, 200, "{bolt:?}");
        assert_eq!(bolt.json()["quantity"], "1200", "64-bit numbers are strings");
        // %2F is data in a segment.
        let nut = browser.get("/acme/v1/items/nut%2Fm8").await;
        assert_eq!(nut.json()["quantity"], "9007199254740993", "{nut:?}");
        let missing = browser.get("/acme/v1/items/none").await;
        assert_eq!(missing.status, 404, "{missing:?}");
        assert!(missing.text.contains("no item none"), "{missing:?}");
        let listed = browser.get("/acme/v1/items?skus=bolt&skus=nut%2Fm8").await.json();
        assert_eq!(listed["items"].as_array().map(Vec::len), Some(2));
        assert_eq!(browser.get("/acme/v1/items:bare").await.json()[0]["sku"], "bolt");
    }
}

#[tokio::test]
async fn bindings_of_every_kind() {
    let Setting { browser, backend: _backend, _edge } = Setting::python().await;
    let additional = browser.get("/acme/v1/warehouses/south/items/bolt").await.json();
    assert_eq!((&additional["sku"], &additional["warehouse"]), (&json!("bolt"), &json!("south")));
    let listed = browser.get("/acme/v1/items?min_quantity=1&minQuantity=1").await;
    assert_eq!(listed.problem(), "400 FIELD_INVALID minQuantity", "one field, two spellings");
    let listed = browser.get("/acme/v1/items?minQuantity=1").await.json();
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(2));

    let request =
        browser.request("PATCH", "/acme/v1/items/bolt").json(&json!({"title": "New", "labels": {"k": "v"}}));
    let updated = Answer::to(request).await.json();
    assert_eq!(updated["item"]["title"], "New");
    let mut changed: Vec<_> =
        updated["changed"].as_array().into_iter().flatten().filter_map(|path| path.as_str()).collect();
    changed.sort_unstable();
    assert_eq!(changed, ["labels", "title"], "the mask is filled from the body");

    let reserved = browser.post("/acme/v1/items/bolt:reserve", &json!({"quantity": 200})).await;
    assert_eq!(reserved.json()["quantity"], "1000", "{reserved:?}");
    let deep = browser.get("/acme/v1/notes/a/b%2Fc/d").await.json();
    assert_eq!(deep["name"], "notes/a/b%2Fc/d", "%2F stays where a variable spans segments");
    let wrong = Answer::to(browser.request("PUT", "/acme/v1/items/bolt")).await;
    assert_eq!(wrong.status, 405, "{wrong:?}");
    assert!(wrong.header("allow").contains("GET") && wrong.header("allow").contains("PATCH"), "{wrong:?}");
}

#[tokio::test]
async fn details_of_refusals_reach_the_page() {
    let Setting { browser, backend: _backend, _edge } = Setting::python().await;
    let unknown = browser.get("/acme/v1/items/none").await;
    assert_eq!(unknown.problem(), "404 ITEM_UNKNOWN");
    let bad = browser.post("/acme/v1/items/bolt:reserve", &json!({})).await;
    assert_eq!(bad.status, 400, "{bad:?}");
    assert_eq!(bad.json()["errors"], json!([{"field": "quantity", "message": "must be at least 1"}]));
    let much = browser.post("/acme/v1/items/bolt:reserve", &json!({"quantity": "5000"})).await;
    assert_eq!((much.status.as_u16(), much.header("retry-after")), (503, "7"), "{much:?}");
}

#[tokio::test]
async fn only_listed_headers_pass_both_ways() {
    let Setting { browser, backend: _backend, _edge } = Setting::python().await;
    let request = browser
        .with_token("of-the-caller")
        .request("GET", "/acme/v1/headers")
        .header("accept-language", "de")
        .header("cookie", "secret=1")
        .header("x-internal-user", "admin")
        .header("x-forwarded-user", "admin")
        .header("grpc-status", "0");
    let seen = Answer::to(request).await;
    assert_eq!(seen.status, 200, "{seen:?}");
    let seen = &seen.json()["values"];
    assert_eq!(seen["accept-language"], "de");
    assert_eq!(seen["authorization"], "Bearer of-the-caller", "no issuer is known: the backend decides");
    for name in ["cookie", "x-internal-user", "x-forwarded-user", "grpc-status"] {
        assert!(seen[name].is_null(), "{name} in {seen}");
    }
    let item = browser.get("/acme/v1/items/bolt").await;
    assert_eq!(item.header("set-cookie"), "", "a backend's cookies never pass");
    assert_ne!(item.header("etag"), "from-backend", "nor what is not listed");
}

#[tokio::test]
async fn a_finite_stream_by_every_face() {
    for Setting { browser, .. } in &Setting::all().await {
        let ask = |accept: &str| {
            Answer::to(browser.request("GET", "/acme/v1/items:export").header("accept", accept))
        };
        let array = ask("application/json").await;
        assert_eq!(array.status, 200, "{array:?}");
        let items = array.json();
        assert_eq!(items[0]["sku"], "bolt");

        let lines = ask("application/x-ndjson").await;
        let mut lines: Vec<&str> = lines.text.lines().collect();
        assert_eq!(lines.pop(), Some(r#"{"@end":{}}"#));
        let joined: serde_json::Value =
            serde_json::from_str(&format!("[{}]", lines.join(","))).expect("JSON lines");
        assert_eq!(joined, items, "every face delivers the same values");

        let mut stream = browser.subscribe("/acme/v1/items:export", None).await;
        let mut events = Vec::new();
        let end = loop {
            let block = stream.next().await.expect("lm-end before the end");
            match block.name() {
                "" if block.data.is_some() => events.push(block.json()),
                "lm-end" => break block,
                _ => {}
            }
        };
        assert_eq!(json!(events), items);
        let id = end.id.expect("an id, so that EventSource can be told to stay away");
        let again = browser.request("GET", "/acme/v1/items:export").header("accept", "text/event-stream");
        let again = Answer::to(again.header("last-event-id", id)).await;
        assert_eq!((again.status.as_u16(), again.text.as_str()), (204, ""));
    }
}

#[tokio::test]
async fn a_failure_later_is_said_in_band() {
    let Setting { browser, backend: _backend, _edge } = Setting::python().await;
    let path = "/acme/v1/items:export?failAfter=2";
    let mut stream = browser.subscribe(path, None).await;
    let error = loop {
        let block = stream.next_named().await.expect("lm-error before the end");
        if block.name() == "lm-error" {
            break block.json();
        }
    };
    assert_eq!((&error["code"], &error["reason"]), (&json!("DATA_LOSS"), &json!("SHELF_FELL_OVER")));

    let ask = |accept: &str| browser.open(browser.request("GET", path).header("accept", accept));
    let (lines, end) = read_body(ask("application/x-ndjson").await).await;
    assert_eq!(end, BodyEnd::Cut, "{lines}");
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!(lines.len(), 3, "two items were good: {lines:?}");
    assert!(lines[2].starts_with(r#"{"@error":"#) && lines[2].contains("SHELF_FELL_OVER"), "{lines:?}");

    let (array, end) = read_body(ask("application/json").await).await;
    assert_eq!(end, BodyEnd::Cut, "{array}");
    assert!(array.starts_with('[') && !array.trim_end().ends_with(']'), "{array}");
}

#[tokio::test]
async fn a_durable_stream_resumes_exactly() {
    for Setting { browser, .. } in &Setting::all().await {
        let mut stream = browser.subscribe("/acme/v1/moves", None).await;
        assert_eq!(stream.outcomes().await, ["FRESH"]);
        let mut seen = moves(&mut stream, 5).await;
        let id = stream.last_id().map(String::from);
        drop(stream);
        let mut stream = browser.subscribe("/acme/v1/moves", id.as_deref()).await;
        assert_eq!(stream.outcomes().await, ["RESUMED"]);
        seen.extend(moves(&mut stream, 5).await);
        let expected: Vec<i64> = (0..10).map(|number| seen[0] + number).collect();
        assert_eq!(seen, expected);
    }
}

async fn moves(stream: &mut SseStream, count: usize) -> Vec<i64> {
    let mut numbers = Vec::new();
    for _ in 0..count {
        let event = stream.event().await;
        let (name, body) = (event.name().to_owned(), event.json());
        let (expected, member) =
            if body["arrived"].is_object() { ("item:arrived", "arrived") } else { ("left", "left") };
        assert_eq!(name, expected, "the event's option, else the member's name");
        let number = body[member]["number"].as_str().and_then(|text| text.parse().ok());
        numbers.push(number.expect("a 64-bit number"));
    }
    numbers
}

#[tokio::test]
async fn an_edge_restart_resumes_too_and_an_old_cursor_is_a_gap() {
    let Setting { browser, backend, _edge } = Setting::python().await;
    let mut stream = browser.subscribe("/acme/v1/moves", None).await;
    assert_eq!(stream.outcomes().await, ["FRESH"]);
    let seen = moves(&mut stream, 3).await;
    let id = stream.last_id().map(String::from);
    drop(stream);
    let (http, _other_edge) = App::edge(backend.address(), &[]).await;
    let other = Browser::new(http);
    let mut stream = other.subscribe("/acme/v1/moves", id.as_deref()).await;
    assert_eq!(stream.outcomes().await, ["RESUMED"], "a token is good on every edge");
    assert_eq!(moves(&mut stream, 1).await, [seen[2] + 1]);

    let mut old = other.subscribe("/acme/v1/moves?after=7", None).await;
    assert_eq!(old.outcomes().await, ["GAP expired"]);
    let both = format!("/acme/v1/moves?after=70&cursor={}", id.unwrap_or_default());
    let both = Answer::to(other.request("GET", &both).header("accept", "text/event-stream")).await;
    assert_eq!(both.status, 400, "a token and a raw cursor: {both:?}");
}

#[tokio::test]
async fn heartbeats_fill_the_silence() {
    let Setting { browser, backend: _backend, _edge } = Setting::python().await;
    let mut stream = browser.subscribe("/acme/v1/moves?every=60s", None).await;
    assert_eq!(stream.outcomes().await, ["FRESH"]);
    while stream.next().await.expect("a heartbeat").comment.is_none() {}
    let mut stream = browser.subscribe("/acme/v1/moves?every=60s&heartbeat=event", None).await;
    assert_eq!(stream.outcomes().await, ["FRESH"]);
    assert_eq!(
        stream.next_named().await.map(|block| block.name().to_owned()).as_deref(),
        Some("lm-heartbeat")
    );
}

#[tokio::test]
async fn a_method_the_backend_lacks_is_501() {
    if let Some(Setting { browser, backend: _backend, _edge }) = Setting::start(Language::Go).await {
        let answer = browser.post("/acme/v1/items/bolt:reserve", &json!({"quantity": 1})).await;
        assert_eq!(answer.status, 501, "{answer:?}");
    }
}

#[tokio::test]
async fn what_a_backend_tells_in_another_order_each_time_is_no_change() {
    // Go encodes custom options so.
    let Some(backend) = ForeignBackend::start(Language::Go).await else { return };
    let edge = EdgeProcess::start(backend.address(), "none", &[]).await;
    let admin = Browser::new(edge.admin());
    for _ in 0..10 {
        let told = admin.post("/reload", &json!({})).await;
        assert_eq!(told.json()["changed"], false, "{told:?}");
    }
}
