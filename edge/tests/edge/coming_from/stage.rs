//! What the rows of the page need: sites, and backends that play along.

use serde_json::{Value, json};

use crate::backend::{Act, Backend, answer, event, position, response};

use crate::site::Site;

pub(super) async fn site(backend: &Backend) -> Site {
    Site::start(json!({}), backend).await
}

pub(super) async fn compat(backend: &Backend) -> Site {
    Site::start(json!({ "rest": { "compat": "grpc-gateway" } }), backend).await
}

/// A backend that gives its requests back where it can.
pub(super) fn echo() -> Backend {
    Backend::new(|method, request| match method {
        "Shop/Echo" => answer("Kinds", request.clone()),
        "Shop/UpdateItem" => answer("Item", request["item"].clone()),
        _ => answer("Note", json!({ "name": "a", "text": "x".repeat(2000), "etag": "v3" })),
    })
}

/// 400 that names this field.
pub(super) async fn refused(line: &str, body: &str, field: &str) {
    let answer = site(&echo()).await.ask(line, &[], body).await;
    assert_eq!(answer.status, 400, "{line}: {}", answer.text());
    assert_eq!(answer.json()["errors"][0]["field"], field, "{line}");
}

/// Two events, then this.
pub(super) fn stream(last: Act) -> Backend {
    Backend::new(move |method, _| match method {
        "Streams/Watch" => vec![position(0), event(1), event(2), last.clone()],
        _ => vec![response(json!({ "number": 1 })), response(json!({ "number": 2 })), last.clone()],
    })
}

/// What reaches the backend of this header, with and without compatibility and lists.
pub(super) async fn passed(settings: Value, header: (&str, &str), name: &str) -> Option<String> {
    let backend = echo();
    Site::start(settings, &backend).await.get("/v1/notes/a", &[header]).await;
    let head = backend.heads().pop().expect("a call");
    head.get(name).map(|value| value.to_str().expect("text").to_owned())
}

/// A backend whose answers have metadata.
pub(super) fn talkative() -> Backend {
    Backend::new(|_, _| {
        let metadata = [Act::Metadata("x-shard", "7"), Act::Metadata("set-cookie", "a=b")];
        metadata.into_iter().chain(answer("Note", json!({ "name": "a" }))).collect()
    })
}

/// What comes back of a body that is sent with these settings of REST; null asks by GET.
pub(super) async fn with_rest(rest: Value, target: &str, body: Value) -> Value {
    let site = Site::start(json!({ "rest": rest }), &echo()).await;
    let line = if body.is_null() { format!("GET {target}") } else { format!("POST {target}") };
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer = site.ask(&line, &[], body).await;
    assert_eq!(answer.status, 200, "{line}: {}", answer.text());
    answer.json()
}
