//! Rows of Envoy's gRPC-JSON transcoder.

use serde_json::json;
use tonic::Code;

use crate::backend::{Act, Backend, detail, failure, failure_with};
use crate::shop::message;
use crate::site::Site;

use super::messages::written;
use super::stage::{echo, passed, refused, site, stream};

pub(super) async fn headers() {
    let listed = json!({ "calls": { "request_headers": ["x-forwarded-for", "foo"] } });
    assert_eq!(passed(json!({}), ("foo", "x"), "foo").await, None);
    assert_eq!(passed(listed.clone(), ("foo", "x"), "foo").await.as_deref(), Some("x"));
    assert_eq!(passed(listed, ("x-forwarded-for", "1.2.3.4"), "x-forwarded-for").await, None);
}

pub(super) async fn unknown_details() {
    let known = detail("shop.v1.Maker", &message("Maker", json!({ "name": "n" })));
    let unknown = prost_types::Any { type_url: "x/other.Thing".into(), value: vec![1, 2, 3] };
    let act = failure_with(Code::NotFound, "no", vec![known, unknown]);
    let site = site(&Backend::new(move |_, _| vec![act.clone()])).await;
    let details = site.get("/v1/notes/a", &[]).await.json()["details"].take();
    assert_eq!((&details[0]["name"], &details[1]["value"]), (&json!("n"), &json!("AQID")));
    assert_eq!(site.get("/nowhere", &[]).await.header("content-type"), "application/problem+json");
}

pub(super) async fn first_error() {
    let site = site(&Backend::new(|_, _| vec![failure(Code::PermissionDenied, "SECRET")])).await;
    for accept in ["application/x-ndjson", "text/event-stream", "application/json"] {
        assert_eq!(site.get("/v1/tick", &[("accept", accept)]).await.status, 403, "{accept}");
    }
}

pub(super) async fn late_error() {
    let site = site(&stream(failure(Code::OutOfRange, "TOO_FAR"))).await;
    let text = async |accept: &str| site.get("/v1/tick", &[("accept", accept)]).await.text().to_owned();
    assert!(text("text/event-stream").await.contains("event: lm-error"));
    assert!(
        text("application/x-ndjson").await.lines().last().is_some_and(|line| line.starts_with("{\"@error\""))
    );
    assert!(!text("application/json").await.ends_with(']'));
}

pub(super) async fn unknown_query() {
    refused("GET /v1/kinds?nope=1", "", "nope").await;
}

pub(super) async fn path() {
    refused("GET /v1/items/7?id=8", "", "id").await;
}

pub(super) async fn compressor() {
    let answer = site(&echo()).await.get("/v1/notes/a", &[("accept-encoding", "gzip")]).await;
    assert_eq!(answer.header("content-encoding"), "gzip");
    let stream = site(&stream(Act::End)).await.get("/v1/tick", &[("accept-encoding", "gzip")]).await;
    assert_eq!(stream.header("content-encoding"), "");
}

pub(super) async fn large_body() {
    let site = Site::start(json!({ "limits": { "body_bytes": 8 } }), &echo()).await;
    let answer = site.ask("POST /v1/kinds:echo", &[], r#"{"text":"long"}"#).await;
    assert_eq!((answer.status, answer.json()["reason"].clone()), (413, json!("BODY_TOO_LARGE")));
}

pub(super) async fn int64_numbers() {
    assert_eq!(written(json!({ "int64": "number" })).await["int64Value"], 5);
}

pub(super) async fn implicit_bindings() {
    let answer = site(&echo()).await.ask("POST /shop.v1.Notes/GetNote", &[], r#"{"name":"a"}"#).await;
    assert_eq!((answer.status, answer.json()["name"].clone()), (200, json!("a")));
}
