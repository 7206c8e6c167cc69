//! Connect's unary calls by POST and GET, as JSON and protobuf.

use std::io::{Read, Write};

use axum::body::Body;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use http::Request;
use prost::Message;
use serde_json::json;

use crate::rpc::cafe::{Word, framed, word};
use crate::rpc::client::{Answer, post, read, send};
use crate::rpc::stack::{BODY_LIMIT, Stack};

const V1: (&str, &str) = ("connect-protocol-version", "1");
const JSON: &str = "application/json";

async fn call(stack: &Stack, method: &str, json: &str, headers: &[(&str, &str)]) -> Answer {
    let headers = [&[V1], headers].concat();
    read(send(stack.edge, post(method, JSON, &headers, json.to_owned())).await).await
}

async fn get(stack: &Stack, target: &str) -> Answer {
    let request = Request::get(format!("/cafe.v1.Cafe/{target}")).body(Body::empty()).expect("a request");
    read(send(stack.edge, request).await).await
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes).expect("memory");
    gzip.finish().expect("memory")
}

#[tokio::test]
async fn json_and_protobuf_are_bare_bodies() {
    let stack = Stack::start().await;
    let answer = call(&stack, "Do", r#"{"text":"hi","number":"7"}"#, &[]).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, JSON));
    assert_eq!(answer.json(), json!({ "text": "hi", "number": "7" }));
    let headers = ["x-initial", "trailer-x-cost", "trailer-x-key-bin", "x-secret", "trailer-x-secret"];
    assert_eq!(headers.map(|name| answer.header(name)), ["first", "5", "AAE", "", ""]);
    // The version header may be left out where the content type says enough.
    let body = word("hi", 7).encode_to_vec();
    let answer = read(send(stack.edge, post("Do", "application/proto", &[], body)).await).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "application/proto"));
    assert_eq!(Word::decode(answer.body.as_slice()).expect("a word"), word("hi", 7));
}

#[tokio::test]
async fn a_call_without_side_effects_may_be_a_get() {
    let stack = Stack::start().await;
    let json = get(&stack, "Say?connect=v1&encoding=json&message=%7B%22text%22%3A%22hi%22%7D").await;
    assert_eq!(json.json()["text"], "hi", "{json:?}");
    assert_eq!(json.header("cache-control"), "private, no-cache");
    let proto = get(&stack, "Say?base64=1&connect=v1&encoding=proto&message=CgJoaQ").await;
    assert_eq!(Word::decode(proto.body.as_slice()).expect("a word"), word("hi", 0));
    let refused = get(&stack, "Do?connect=v1&encoding=json&message=%7B%7D").await;
    assert_eq!((refused.status.as_u16(), refused.header("allow")), (405, "POST"));
    let missing = get(&stack, "Say?connect=v1&encoding=json").await;
    assert_eq!((missing.status.as_u16(), &missing.json()["code"]), (400, &json!("invalid_argument")));
}

#[tokio::test]
async fn failures_have_their_status_code_and_details() {
    let stack = Stack::start().await;
    for text in ["fail", "trailers only"] {
        let answer = call(&stack, "Do", &json!({ "text": text }).to_string(), &[]).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (409, JSON), "{text}");
        let expected = json!({ "code": "aborted", "message": "näh", "details": [{ "type": "no.Such", "value": "/wE" }] });
        assert_eq!(answer.json(), expected, "{text}");
        assert_eq!((answer.header("x-initial"), answer.header("trailer-x-cost")), ("first", "5"), "{text}");
    }
    for (text, status, code) in [
        ("cut", 503, "unavailable"),
        ("torn", 503, "unavailable"),
        ("huge", 502, "resource_exhausted"),
        ("nothing", 502, "internal"),
        ("unreadable", 502, "internal"),
        ("proxy", 503, "unavailable"),
    ] {
        let answer = call(&stack, "Do", &json!({ "text": text }).to_string(), &[]).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["code"]), (status, &json!(code)), "{text}");
    }
}

#[tokio::test]
async fn bad_requests_are_told_what_is_wrong() {
    let stack = Stack::start().await;
    let large = format!(r#"{{"text":"{}"}}"#, "x".repeat(BODY_LIMIT));
    for (method, json, headers, status, code) in [
        ("Do", r#"{"txt":1}"#, &[][..], 400, "invalid_argument"),
        ("Do", "{", &[], 400, "invalid_argument"),
        ("Do", &large, &[], 413, "resource_exhausted"),
        ("Do", "{}", &[("connect-timeout-ms", "soon")], 400, "invalid_argument"),
        ("Do", r#"{"text":"hang"}"#, &[("connect-timeout-ms", "200")], 504, "deadline_exceeded"),
        ("Do", "{}", &[("content-encoding", "br")], 501, "unimplemented"),
        ("Do", "{}", &[("content-encoding", "gzip")], 400, "invalid_argument"),
        ("Nope", "{}", &[], 501, "unimplemented"),
        ("Tell", "{}", &[], 415, "invalid_argument"),
    ] {
        let answer = call(&stack, method, json, headers).await;
        let said = (answer.status.as_u16(), answer.json()["code"].clone());
        assert_eq!(said, (status, json!(code)), "{method} {headers:?}: {answer:?}");
        assert!(!answer.json()["message"].as_str().expect("a message").is_empty());
    }
    let unknown = call(&stack, "Do", r#"{"txt":1}"#, &[]).await.json();
    assert_eq!(unknown["details"][1]["type"], "google.rpc.BadRequest");
    let request = post("Do", JSON, &[("connect-protocol-version", "2")], "{}");
    assert_eq!(read(send(stack.edge, request).await).await.status, 400);
}

#[tokio::test]
async fn content_types_and_http_methods_are_told_apart() {
    let stack = Stack::start().await;
    let xml = read(send(stack.edge, post("Do", "text/xml", &[V1], "")).await).await;
    assert_eq!(xml.status, 415);
    assert!(xml.header("accept-post").starts_with("application/json, application/proto, "));
    let mut put = post("Do", "application/proto", &[V1], "");
    *put.method_mut() = http::Method::PUT;
    let put = read(send(stack.edge, put).await).await;
    assert_eq!((put.status.as_u16(), put.header("allow")), (405, "POST"));
}

#[tokio::test]
async fn gzip_is_read_and_written_where_it_is_worth_while() {
    let stack = Stack::start().await;
    let headers = [V1, ("content-encoding", "gzip"), ("accept-encoding", "br, gzip")];
    for (text, is_compressed) in [("big", true), ("small", false)] {
        let body = gzip(json!({ "text": text }).to_string().as_bytes());
        let answer = read(send(stack.edge, post("Do", JSON, &headers, body)).await).await;
        assert_eq!(answer.header("content-encoding") == "gzip", is_compressed, "{text}");
        assert!(answer.header("vary").contains("accept-encoding"), "{text}");
        let mut plain = String::new();
        match is_compressed {
            true => _ = GzDecoder::new(answer.body.as_slice()).read_to_string(&mut plain).expect("gzip"),
            false => plain = String::from_utf8(answer.body).expect("UTF-8"),
        }
        assert!(plain.starts_with(r#"{"text":""#), "{text}: {plain}");
    }
    let bomb = gzip(&vec![b' '; BODY_LIMIT + 1]);
    let answer = read(send(stack.edge, post("Do", JSON, &headers, bomb)).await).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["code"]), (413, &json!("resource_exhausted")));
}

#[tokio::test]
async fn a_message_that_is_compressed_nobody_knows_how_is_no_message() {
    let stack = Stack::start().await;
    let answer = call(&stack, "Do", r#"{"text":"compressed somehow"}"#, &[]).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["code"]), (502, &json!("internal")));
    let stream = framed(0, br#"{"text":"compressed somehow"}"#);
    let stream = read(send(stack.edge, post("Tell", "application/connect+json", &[], stream)).await).await;
    assert!(String::from_utf8_lossy(&stream.body).contains("grpc-encoding"), "{stream:?}");
    assert_eq!(call(&stack, "Do", r#"{"text":"compressed"}"#, &[]).await.json()["text"], "plain");
}

#[tokio::test]
async fn cookies_of_the_rule_are_set_and_stand_in_for_the_field() {
    let stack = Stack::start().await;
    let answer = call(&stack, "Enter", r#"{"text":"by-the-window"}"#, &[]).await;
    let expected = "seat=by-the-window; Path=/; HttpOnly; SameSite=Lax; Max-Age=2592000";
    assert_eq!(
        (answer.header("set-cookie"), answer.header("cache-control")),
        (expected, "no-store, no-transform")
    );
    for (json, expected) in [("{}", "inside"), (r#"{"text":"outside"}"#, "outside")] {
        let answer = call(&stack, "Enter", json, &[("cookie", "seat=inside")]).await;
        assert_eq!(answer.json()["text"], expected, "{json}");
    }
}
