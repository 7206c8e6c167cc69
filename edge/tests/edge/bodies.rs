//! Bodies of every kind through a whole edge: JSON, protobuf, raw, compressed, and what is refused.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use lastmile_edge::schema::descriptors;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage};
use serde_json::{Value, json};

use crate::served::{Saw, Served};
use crate::shop::compile;

const RESPONSE: &str = "files.v1.FileResponse";

fn encode(name: &str, json: Value) -> Vec<u8> {
    let pool: DescriptorPool = descriptors::pool(&compile(include_str!("files.proto"))).expect("a pool");
    let descriptor = pool.get_message_by_name(name).expect("a message type");
    DynamicMessage::deserialize(descriptor, json).expect("a message").encode_to_vec()
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).expect("memory");
    encoder.finish().expect("memory")
}

/// What the backend gets for a request that it answers.
async fn arrives(head: &str, body: impl AsRef<[u8]>) -> Value {
    let mut served = Served::start().await;
    served.answer(RESPONSE, json!({}));
    let answer = served.ask(head, body).await;
    assert_eq!(answer.status, 200, "{head}: {}", answer.text());
    served.message().await
}

/// The status, reason and first field of a request that never reaches the backend.
async fn refused(head: &str, body: impl AsRef<[u8]>) -> String {
    let mut served = Served::start().await;
    let answer = served.ask(head, body).await;
    served.saw_nothing();
    let field = answer.json()["errors"][0]["field"].as_str().map(|field| format!(" {field}"));
    answer.problem() + &field.unwrap_or_default()
}

const LABELS: &str = "POST /v1/labels/a HTTP/1.1\r\ncontent-type: application/x-protobuf";
const LABEL: &str = "PATCH /v1/labels/a HTTP/1.1\r\ncontent-type: application/protobuf; charset=x";

#[tokio::test]
async fn protobuf_is_the_whole_request_or_the_field_of_the_body() {
    let request = encode("files.v1.FileRequest", json!({ "draft": true, "tags": ["x"] }));
    assert_eq!(arrives(LABELS, &request).await, json!({ "name": "a", "draft": true, "tags": ["x"] }));
    assert_eq!(arrives(LABELS, "").await, json!({ "name": "a" }));
    let label = encode("files.v1.Label", json!({ "sizes": [1, 2], "inner": { "seal": "AAE=" } }));
    // Without a mask the caller means what is there.
    let expected = json!({
        "label": { "name": "a", "sizes": [1, 2], "inner": { "seal": "AAE=" } },
        "updateMask": "inner.seal,sizes",
    });
    assert_eq!(arrives(LABEL, &label).await, expected);
}

#[tokio::test]
async fn protobuf_never_changes_what_the_path_sets() {
    for (name, allowed) in [("a", true), ("b", false)] {
        let request = encode("files.v1.FileRequest", json!({ "name": name }));
        let label = encode("files.v1.Label", json!({ "name": name }));
        if allowed {
            assert_eq!(arrives(LABELS, &request).await, json!({ "name": "a" }));
            assert_eq!(arrives(LABEL, &label).await["label"], json!({ "name": "a" }));
        } else {
            assert_eq!(refused(LABELS, &request).await, "400 FIELD_INVALID name");
            assert_eq!(refused(LABEL, &label).await, "400 FIELD_INVALID label.name");
        }
    }
    // The last of several counts, and it is another.
    let twice = [encode("files.v1.FileRequest", json!({ "name": "a" })), b"\x0a\x01b".to_vec()].concat();
    assert_eq!(refused(LABELS, &twice).await, "400 FIELD_INVALID name");
    // A body of one field cannot reach another: its bytes stay within it.
    let draft = encode("files.v1.FileRequest", json!({ "draft": true }));
    assert_eq!(
        arrives(LABEL, &draft).await,
        json!({ "label": { "name": "a", "sizes": [1] }, "updateMask": "sizes" })
    );
}

#[tokio::test]
async fn bytes_that_are_no_message_of_the_type_are_refused_with_their_field() {
    for (body, expected) in [
        (&b"\x0a\x05ab"[..], "400 PROTOBUF_INVALID name"),
        (b"\x08\x01", "400 PROTOBUF_INVALID name"),
        (b"\x0a\x01\xff", "400 PROTOBUF_INVALID name"),
        (b"\x22\x03\x0a\x01\xff", "400 PROTOBUF_INVALID label.name"),
        (b"\x22\x03\x12\x01\x80", "400 PROTOBUF_INVALID label.sizes"),
        (b"\x22\x07\x1a\x05\x0a\x01\xff\x12\x00", "400 PROTOBUF_INVALID label.parts"),
        (b"\x22\x07\x1a\x05\x12\x03\x0a\x01\xff", "400 PROTOBUF_INVALID label.parts.name"),
        (b"\x0f", "400 PROTOBUF_INVALID "),
        (b"{}", "400 PROTOBUF_INVALID "),
    ] {
        assert_eq!(refused(LABELS, body).await, expected, "{body:x?}");
    }
    let mut deep = Vec::new();
    for _ in 0..102 {
        deep = [&[0x2a][..], &varint(deep.len()), &deep].concat();
    }
    let deep = [&[0x22][..], &varint(deep.len()), &deep].concat();
    assert!(refused(LABELS, &deep).await.starts_with("400 PROTOBUF_INVALID label.inner.inner"));
    let tags = "POST /v1/tags/a HTTP/1.1\r\ncontent-type: application/protobuf";
    assert_eq!(refused(tags, b"\x0a\x01a").await, "415 CONTENT_TYPE_UNSUPPORTED");
}

fn varint(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

#[tokio::test]
async fn raw_bodies_go_on_as_they_are() {
    let content = |kind: &str, data: &[u8]| json!({ "contentType": kind, "data": STANDARD.encode(data) });
    let put = "PUT /v1/files/a/b%2Fc?draft=true HTTP/1.1\r\ncontent-type: image/png";
    let expected =
        json!({ "name": "files/a/b%2Fc", "draft": true, "content": content("image/png", b"\0\xff{") });
    assert_eq!(arrives(put, b"\0\xff{").await, expected);
    assert_eq!(arrives("PUT /v1/files/a HTTP/1.1", "").await, json!({ "name": "files/a" }));
    let json = "PUT /v1/files/a HTTP/1.1\r\ncontent-type: application/json";
    assert_eq!(arrives(json, "{").await["content"], content("application/json", b"{"));
    let mut served = Served::start().await;
    served.answer("google.protobuf.Empty", json!({}));
    let answer = served.ask("POST /v1/raw HTTP/1.1\r\ncontent-type: text/csv", "a,b").await;
    assert_eq!((answer.status, answer.text()), (200, "{}"));
    assert_eq!(served.message().await, content("text/csv", b"a,b"));
}

#[tokio::test]
async fn raw_answers_come_as_they_are() {
    let served = Served::start().await;
    let page = json!({ "contentType": "image/svg+xml; v=1", "data": STANDARD.encode("<svg/>") });
    served.answer("google.api.HttpBody", page.clone());
    let answer = served.ask("GET /v1/files/a HTTP/1.1\r\naccept: image/*", "").await;
    assert_eq!((answer.status, answer.text()), (200, "<svg/>"));
    assert_eq!(answer.header("content-type"), Some("image/svg+xml; v=1"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    let etag = answer.header("etag").expect("an ETag").to_owned();
    served.answer("google.api.HttpBody", page.clone());
    let known = served.ask(&format!("GET /v1/files/a HTTP/1.1\r\nif-none-match: {etag}"), "").await;
    assert_eq!((known.status, known.body.len()), (304, 0));
    served.answer(RESPONSE, json!({ "name": "x", "content": page }));
    let inner = served.ask("GET /v1/inner/a HTTP/1.1", "").await;
    assert_eq!((inner.text(), inner.header("content-type")), ("<svg/>", Some("image/svg+xml; v=1")));
    served.answer(RESPONSE, json!({}));
    let empty = served.ask("GET /v1/inner/a HTTP/1.1", "").await;
    assert_eq!((empty.text(), empty.header("content-type")), ("", Some("application/octet-stream")));
}

#[tokio::test]
async fn compressed_bodies_are_read_within_the_limit() {
    let head = "POST /v1/labels/a HTTP/1.1\r\ncontent-encoding: gzip";
    let zipped = gzip(br#"{"draft":true}"#);
    assert_eq!(arrives(head, &zipped).await, json!({ "name": "a", "draft": true }));
    let put = "PUT /v1/files/a HTTP/1.1\r\ncontent-encoding: x-gzip\r\ncontent-type: text/plain";
    let content = arrives(put, gzip(b"text")).await["content"].clone();
    assert_eq!(content, json!({ "contentType": "text/plain", "data": STANDARD.encode("text") }));
    assert_eq!(refused(head, &zipped[..zipped.len() - 3]).await, "400 GZIP_INVALID");
    assert_eq!(refused(head, "{}").await, "400 GZIP_INVALID");
    assert_eq!(refused(head, gzip(&vec![b' '; 2 << 20])).await, "413 BODY_TOO_LARGE");
}

#[tokio::test]
async fn what_no_route_takes_is_refused_with_what_it_takes() {
    let served = Served::start().await;
    let post = |kind: &str| format!("POST /v1/labels/a HTTP/1.1\r\n{kind}");
    for (headers, name, accepted) in [
        ("content-type: text/plain", "accept", "application/json, application/protobuf"),
        ("content-type: application/x-ndjson", "accept", "application/json, application/protobuf"),
        ("content-encoding: br", "accept-encoding", "gzip, identity"),
        ("content-encoding: gzip, gzip", "accept-encoding", "gzip, identity"),
    ] {
        let answer = served.ask(&post(headers), "{}").await;
        assert_eq!((answer.status, answer.header(name)), (415, Some(accepted)), "{headers}");
    }
    let answer = served.ask("POST /v1/records/a HTTP/1.1\r\ncontent-type: text/plain", "{}").await;
    let accepted = "application/json, application/x-ndjson, application/protobuf";
    assert_eq!((answer.status, answer.header("accept")), (415, Some(accepted)));
}

#[tokio::test]
async fn a_body_that_waits_for_leave_is_refused_before_it_is_sent() {
    let mut served = Served::start_with(|config| config.limits.body_bytes = 1000).await;
    let head = |length: usize| {
        format!(
            "POST /v1/labels/a HTTP/1.1\r\nhost: edge\r\nexpect: 100-continue\r\nconnection: close\r\n\
             content-length: {length}\r\n\r\n"
        )
    };
    let mut client = served.connect().await;
    client.send(head(1001)).await;
    assert_eq!(client.answer().await.problem(), "413 BODY_TOO_LARGE");

    served.answer(RESPONSE, json!({}));
    let mut client = served.connect().await;
    client.send(head(14)).await;
    assert_eq!(client.head().await.0, 100);
    client.send(r#"{"draft":true}"#).await;
    assert_eq!(client.answer().await.status, 200);
    assert_eq!(served.message().await["draft"], true);
}

#[tokio::test]
async fn every_method_has_a_path_of_its_own() {
    let mut served = Served::start().await;
    served.answer(RESPONSE, json!({ "count": 3 }));
    let answer = served.ask("POST /files.v1.Files/Look HTTP/1.1", r#"{"name":"a","tags":["b"]}"#).await;
    assert_eq!(answer.json()["count"], 3);
    assert_eq!(served.message().await, json!({ "name": "a", "tags": ["b"] }));

    // By GET where the method says that it changes nothing.
    served.answer(RESPONSE, json!({ "count": 4 }));
    let answer = served.ask("GET /files.v1.Files/Look?name=c&label.name=d HTTP/1.1", "").await;
    assert_eq!((answer.json()["count"].clone(), answer.header("etag").is_some()), (json!(4), true));
    while !matches!(served.saw().await, Saw::Over) {}
    let answer = served.ask("GET /files.v1.Files/Put HTTP/1.1", "").await;
    assert_eq!((answer.status, answer.header("allow")), (405, Some("POST, OPTIONS")));

    // A stream has its faces there.
    served.answer(RESPONSE, json!({ "count": 5 }));
    let events = served
        .ask("POST /files.v1.Files/Follow HTTP/1.1\r\naccept: text/event-stream", r#"{"name":"e"}"#)
        .await;
    assert_eq!(events.header("content-type"), Some("text/event-stream; charset=utf-8"));
    assert!(events.text().contains(r#"data: {"name":"","count":5}"#), "{}", events.text());
    // A binding may name the part of each message that is delivered.
    served.answer(RESPONSE, json!({ "count": 5, "label": { "name": "f" } }));
    let array = served.ask("GET /v1/follow HTTP/1.1\r\naccept: application/json", "").await;
    assert_eq!(array.text(), r#"[{"name":"f","sizes":[],"parts":{},"seal":""}]"#);
    let answer = served.ask("POST /files.v1.Files/Nope HTTP/1.1", "{}").await;
    assert_eq!(answer.problem(), "404 ROUTE_NOT_FOUND");
}

#[tokio::test]
async fn the_prefix_of_own_paths_holds_for_methods_too() {
    let served = Served::start_with(|config| config.paths.prefix = "/edge".into()).await;
    served.answer(RESPONSE, json!({ "count": 3 }));
    let answer = served.ask("POST /edge/files.v1.Files/Look HTTP/1.1", "{}").await;
    assert_eq!(answer.json()["count"], 3);
}

#[tokio::test]
async fn head_and_options_are_answered_from_the_route() {
    let served = Served::start().await;
    served.answer("google.api.HttpBody", json!({ "data": "YWJj" }));
    let answer = served.ask("HEAD /v1/files/a HTTP/1.1", "").await;
    assert_eq!((answer.status, answer.body.len(), answer.header("content-length")), (200, 0, Some("3")));
    let answer = served.ask("OPTIONS /v1/files/a HTTP/1.1", "").await;
    assert_eq!((answer.status, answer.header("allow")), (204, Some("GET, PUT, HEAD, OPTIONS")));
    let answer = served.ask("DELETE /v1/files/a HTTP/1.1", "").await;
    assert_eq!(
        (answer.problem(), answer.header("allow")),
        ("405 METHOD_NOT_ALLOWED".into(), Some("GET, PUT, HEAD, OPTIONS"))
    );
    for path in ["%zz", "%ff", "%00"] {
        let answer = served.ask(&format!("GET /v1/files/{path} HTTP/1.1"), "").await;
        assert_eq!(answer.problem(), "400 PATH_INVALID");
    }
}

#[tokio::test]
async fn a_time_limit_reaches_the_backend_by_every_name() {
    let mut served = Served::start().await;
    for header in ["grpc-timeout: 3S", "connect-timeout-ms: 3000", "x-server-timeout: 3"] {
        served.answer(RESPONSE, json!({}));
        assert_eq!(served.ask(&format!("DELETE /v1/labels/a HTTP/1.1\r\n{header}"), "").await.status, 200);
        let Saw::Call(Some(timeout)) = served.saw().await else { panic!("no time limit") };
        let (amount, unit) = timeout.split_at(timeout.len() - 1);
        let amount: u64 = amount.parse().expect("digits");
        let micros = match unit {
            "m" => amount * 1000,
            "u" => amount,
            _ => amount / 1000,
        };
        assert!((2_000_000..=3_000_000).contains(&micros), "{header}: {timeout}");
        while !matches!(served.saw().await, Saw::Over) {}
    }
    // Nothing is said by the backend.
    let answer = served.ask("DELETE /v1/labels/a HTTP/1.1\r\nconnect-timeout-ms: 50", "").await;
    assert_eq!(answer.problem(), "504 DEADLINE_EXCEEDED");
    served.closed().await;
}
