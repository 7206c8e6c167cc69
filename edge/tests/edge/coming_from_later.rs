//! Rows for the page "Coming from …" that need what is built beside it: a row moves to `coming_from.rs`, and its line
//! (in the comment above it) to the page, when it holds.

use serde_json::{Value, json};

use crate::backend::{Act, Backend, answer, response};
use crate::site::{Answer, Site};

fn echo() -> Backend {
    Backend::new(|method, request| match method {
        "Shop/Echo" => answer("Kinds", request.clone()),
        "Streams/Tick" => vec![response(json!({ "number": 1 })), Act::End],
        "Notes/GetNote" if request["name"] == "none" => {
            vec![crate::backend::failure(tonic::Code::NotFound, "NOTE_MISSING")]
        }
        _ => answer("Note", json!({ "name": "a" })),
    })
}

async fn echoed(rest: Value, target: &str, body: Value) -> Answer {
    let site = Site::start(json!({ "rest": rest }), &echo()).await;
    let line = if body.is_null() { format!("GET {target}") } else { format!("POST {target}") };
    let body = if body.is_null() { String::new() } else { body.to_string() };
    site.ask(&line, &[], body).await
}

/// | `gateway-discard-unknown` | `DiscardUnknown: true` | `rest.unknown_fields = "ignore"` |
/// | `gateway-unknown-query` | unknown query parameters ignored | *compat*, or `rest.unknown_query = "ignore"`; else 400 |
/// | `gateway-query-maps` | `?labels[a]=x` | the same with `rest.query_maps = true` |
#[tokio::test]
#[ignore = "needs the settings of the reader"]
async fn settings_of_the_reader() {
    let discarded =
        echoed(json!({ "unknown_fields": "ignore" }), "/v1/kinds:echo", json!({ "nope": 1 })).await;
    assert_eq!(discarded.status, 200, "{}", discarded.text());
    for rest in [json!({ "unknown_query": "ignore" }), json!({ "compat": "grpc-gateway" })] {
        assert_eq!(echoed(rest, "/v1/kinds?nope=1&text=x", Value::Null).await.json()["text"], "x");
    }
    let mapped = echoed(json!({ "query_maps": true }), "/v1/kinds?labels%5Ba%5D=x", Value::Null).await;
    assert_eq!(mapped.json()["labels"], json!({ "a": "x" }));
}

/// | `gateway-emit-unpopulated` | `EmitUnpopulated: false` | `rest.json.defaults = "omit"` |
/// | `gateway-enum-numbers` | `UseEnumNumbers: true` | `rest.json.enums = "number"` |
/// | `gateway-proto-names` | `UseProtoNames: true` | `rest.json.names = "proto"` |
/// | `envoy-int64` | 64-bit integers as strings, always | the same; `rest.json.int64 = "number"` where digits above 2^53 never come |
#[tokio::test]
#[ignore = "needs the settings of the writer"]
async fn settings_of_the_writer() {
    let written = async |json: Value| {
        let body = json!({ "color": "RED", "int64Value": "5" });
        echoed(json!({ "json": json }), "/v1/kinds:echo", body).await.json()
    };
    assert_eq!(written(json!({ "defaults": "omit" })).await, json!({ "int64Value": "5", "color": "RED" }));
    assert_eq!(written(json!({ "enums": "number" })).await["color"], 1);
    assert_eq!(written(json!({ "names": "proto" })).await["int64_value"], "5");
    assert_eq!(written(json!({ "int64": "number" })).await["int64Value"], 5);
}

/// | `envoy-auto-mapping` | `auto_mapping: true` | `POST /pkg.Service/Method`, always |
#[tokio::test]
#[ignore = "needs the implicit bindings"]
async fn implicit_bindings() {
    let answer = echoed(json!({}), "/shop.v1.Notes/GetNote", json!({ "name": "a" })).await;
    assert_eq!((answer.status, answer.json()["name"].clone()), (200, json!("a")));
}

/// | `connect-unary` | POST of JSON with `Connect-Protocol-Version: 1` | the same |
/// | `connect-errors` | `{"code":"not_found","message":…,"details":[…]}` | the same from Connect clients |
/// | `connect-streams` | enveloped messages, `EndStreamResponse` last | the same |
/// | `connect-grpc-web` | gRPC-Web from browsers | the same, binary and text |
#[tokio::test]
#[ignore = "needs the faces of RPC"]
async fn faces_of_rpc() {
    let site = Site::start(json!({}), &echo()).await;
    let connect = [("connect-protocol-version", "1"), ("content-type", "application/json")];
    let unary = site.ask("POST /shop.v1.Notes/GetNote", &connect, r#"{"name":"a"}"#).await;
    assert_eq!((unary.status, unary.json()["name"].clone()), (200, json!("a")));
    let missing = site.ask("POST /shop.v1.Notes/GetNote", &connect, r#"{"name":"none"}"#).await;
    assert_eq!((missing.status, missing.json()["code"].clone()), (404, json!("not_found")));
    let kind = [("connect-protocol-version", "1"), ("content-type", "application/connect+json")];
    let stream = site.ask("POST /shop.v1.Streams/Tick", &kind, b"\0\0\0\0\x02{}").await;
    let end = stream.body.iter().rposition(|byte| *byte == 2).expect("the flag of the end");
    assert!(stream.status == 200 && stream.body[end + 5] == b'{', "{stream:?}");
    let request = [&b"\0\0\0\0\x03"[..], b"\x0a\x01a"].concat();
    let grpc_web = [("content-type", "application/grpc-web+proto")];
    let answer = site.ask("POST /shop.v1.Notes/GetNote", &grpc_web, request).await;
    assert!(answer.body.starts_with(b"\0\0\0\0\x03\x0a\x01a\x80"), "{answer:?}");
}
