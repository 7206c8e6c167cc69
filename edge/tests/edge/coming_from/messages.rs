//! Rows about messages: how JSON and queries are read, and how answers are written.

use serde_json::{Value, json};

use crate::site::Answer;

use super::stage::{echo, refused, site, with_rest};

pub(super) async fn echoed(body: Value) -> Answer {
    let answer = site(&echo()).await.ask("POST /v1/kinds:echo", &[], body.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer
}

pub(super) async fn defaults() {
    let kinds = echoed(json!({})).await.json();
    assert_eq!((&kinds["text"], &kinds["flag"], &kinds["numbers"]), (&json!(""), &json!(false), &json!([])));
}

pub(super) async fn int64() {
    assert_eq!(
        echoed(json!({ "int64Value": 9_007_199_254_740_993_u64 })).await.json()["int64Value"],
        "9007199254740993"
    );
}

pub(super) async fn enums() {
    assert_eq!(
        echoed(json!({ "colors": ["RED", 2, 77] })).await.json()["colors"],
        json!(["RED", "BLUE", 77])
    );
}

pub(super) async fn names() {
    assert_eq!(echoed(json!({ "int32_value": 1, "maybeText": "x" })).await.json()["int32Value"], 1);
    refused("POST /v1/kinds:echo", r#"{"int32Value":1,"int32_value":1}"#, "int32_value").await;
}

pub(super) async fn unknown_json() {
    refused("POST /v1/kinds:echo", r#"{"child":{"nope":1}}"#, "child.nope").await;
}

pub(super) async fn query() {
    let site = site(&echo()).await;
    let kinds = site.get("/v1/kinds?child.text=x&texts=a&texts=b", &[]).await.json();
    assert_eq!((&kinds["child"]["text"], &kinds["texts"]), (&json!("x"), &json!(["a", "b"])));
    refused("POST /v1/kinds:echo?text=x", "{}", "text").await;
}

pub(super) async fn query_duration() {
    assert_eq!(site(&echo()).await.get("/v1/kinds?duration=3720s", &[]).await.json()["duration"], "3720s");
    refused("GET /v1/kinds?duration=1h2m", "", "duration").await;
}

pub(super) async fn discarded_json() {
    let body = json!({ "nope": 1, "text": "x" });
    let kinds = with_rest(json!({ "unknown_fields": "ignore" }), "/v1/kinds:echo", body).await;
    assert_eq!(kinds["text"], "x");
}

pub(super) async fn ignored_query() {
    for rest in [json!({ "unknown_query": "ignore" }), json!({ "compat": "grpc-gateway" })] {
        assert_eq!(with_rest(rest, "/v1/kinds?nope=1&text=x", Value::Null).await["text"], "x");
    }
    refused("GET /v1/kinds?nope=1&text=x", "", "nope").await;
}

pub(super) async fn query_maps() {
    let kinds = with_rest(json!({ "query_maps": true }), "/v1/kinds?labels%5Ba%5D=x", Value::Null).await;
    assert_eq!(kinds["labels"], json!({ "a": "x" }));
}

/// Some fields, written so.
pub(super) async fn written(json: Value) -> Value {
    let body = json!({ "color": "RED", "int64Value": "5" });
    with_rest(json!({ "json": json }), "/v1/kinds:echo", body).await
}

pub(super) async fn omitted_defaults() {
    let kinds = written(json!({ "defaults": "omit" })).await;
    assert_eq!(kinds, json!({ "int64Value": "5", "color": "RED" }));
}

pub(super) async fn enum_numbers() {
    assert_eq!(written(json!({ "enums": "number" })).await["color"], 1);
}

pub(super) async fn proto_names() {
    assert_eq!(written(json!({ "names": "proto" })).await["int64_value"], "5");
}
