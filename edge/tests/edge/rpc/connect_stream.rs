//! Connect's streams, as JSON and protobuf.

use std::convert::Infallible;
use std::io::Write;

use axum::body::Body;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::rpc::cafe::{framed, unframed, word};
use crate::rpc::client::{Answer, post, read, read_some, send, send2, words};
use crate::rpc::stack::{BODY_LIMIT, Stack};

const JSON: &str = "application/connect+json";
const PROTO: &str = "application/connect+proto";

async fn call(stack: &Stack, method: &str, text: &str, headers: &[(&str, &str)]) -> Answer {
    let body = framed(0, json!({ "text": text }).to_string().as_bytes());
    read(send(stack.edge, post(method, JSON, headers, body)).await).await
}

/// The texts of the messages and the code of the end, which is empty when it went well.
fn told(answer: &Answer) -> (Vec<String>, String) {
    assert_eq!(answer.status, 200);
    let (texts, end) = answer.words();
    let (flags, end) = end.expect("an end");
    assert_eq!(flags, 2);
    let end: Value = serde_json::from_str(&end).expect("JSON");
    (texts, end["error"]["code"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn every_kind_of_stream_in_both_codecs() {
    let stack = Stack::start().await;
    for (content_type, encode) in [
        (JSON, (|text| json!({ "text": text }).to_string().into_bytes()) as fn(&str) -> Vec<u8>),
        (PROTO, |text| word(text, 0).encode_to_vec()),
    ] {
        for (method, sent, expected) in [
            ("Tell", &["3"][..], &["3", "3", "3"][..]),
            ("Gather", &["a", "b"], &["ab"]),
            ("Chat", &["a", "b"], &["a", "b"]),
        ] {
            let body: Vec<u8> = sent.iter().flat_map(|text| framed(0, &encode(text))).collect();
            let answer = read(send(stack.edge, post(method, content_type, &[], body)).await).await;
            assert_eq!(answer.header("content-type"), content_type);
            assert_eq!(answer.header("x-initial"), "first");
            assert_eq!(
                told(&answer),
                (expected.iter().map(|text| (*text).to_owned()).collect(), String::new())
            );
            let end = unframed(&answer.body).pop().expect("an end").1;
            let end: Value = serde_json::from_slice(&end).expect("JSON");
            assert_eq!(end, json!({ "metadata": { "x-cost": ["5"], "x-key-bin": ["AAE"] } }), "{method}");
        }
    }
}

#[tokio::test]
async fn both_sides_talk_at_once_over_http2() {
    let stack = Stack::start().await;
    let (sender, frames) = mpsc::channel::<Result<Bytes, Infallible>>(1);
    let body = Body::from_stream(ReceiverStream::new(frames));
    let mut response = send2(stack.edge, post("Chat", JSON, &[], body)).await;
    for text in ["one", "two"] {
        let message = json!({ "text": text }).to_string();
        sender.send(Ok(framed(0, message.as_bytes()))).await.expect("room");
        assert_eq!(words(&read_some(response.body_mut()).await).0, [text]);
    }
    drop(response);
    drop(sender);
    stack.cafe.open(0).await;
}

#[tokio::test]
async fn failures_come_last_and_keep_what_was_before() {
    let stack = Stack::start().await;
    for (text, texts, code) in [
        ("trailers only", &[][..], "aborted"),
        ("fail", &["one"], "aborted"),
        ("cut", &["one"], "unavailable"),
        ("torn", &["one"], "unavailable"),
        ("huge", &["one"], "resource_exhausted"),
        ("unreadable", &["one"], "internal"),
        ("proxy", &[], "unavailable"),
    ] {
        let answer = call(&stack, "Tell", text, &[]).await;
        let (told, ended) = told(&answer);
        assert_eq!(
            (told.iter().map(String::as_str).collect::<Vec<_>>().as_slice(), &*ended),
            (texts, code),
            "{text}"
        );
        stack.cafe.open(0).await;
    }
    let end = call(&stack, "Tell", "fail", &[]).await.words().1.expect("an end").1;
    let end: Value = serde_json::from_str(&end).expect("JSON");
    let details = json!([{ "type": "no.Such", "value": "/wE" }]);
    assert_eq!((&end["error"]["message"], &end["error"]["details"]), (&json!("näh"), &details));
}

#[tokio::test]
async fn a_time_limit_holds_on_the_body() {
    let stack = Stack::start().await;
    let answer = call(&stack, "Tell", "hang", &[("connect-timeout-ms", "200")]).await;
    assert_eq!(told(&answer), (vec!["one".into()], "deadline_exceeded".into()));
    stack.cafe.open(0).await;
}

#[tokio::test]
async fn envelopes_that_cannot_be_used_are_refused_and_the_call_is_dropped() {
    let stack = Stack::start().await;
    let good = framed(0, br#"{"text":"a"}"#);
    let follow = |bad: &[u8]| [&good[..], bad].concat();
    for (body, code) in [
        (follow(&framed(0, b"{")), "invalid_argument"),
        (follow(&framed(0, br#"{"no":1}"#)), "invalid_argument"),
        (follow(&good[..8]), "invalid_argument"),
        (follow(&framed(2, b"{}")), "invalid_argument"),
        (follow(&framed(1, b"{}")), "invalid_argument"),
        (follow(&framed(0, &vec![b' '; BODY_LIMIT + 1])), "resource_exhausted"),
    ] {
        let answer = read(send(stack.edge, post("Gather", JSON, &[], body.clone())).await).await;
        assert_eq!(told(&answer), (vec![], code.into()), "{:?}", &body[body.len() - 8..]);
        stack.cafe.open(0).await;
    }
    for (method, text, code) in [("Nope", "", "unimplemented")] {
        assert_eq!(told(&call(&stack, method, text, &[]).await).1, code);
    }
    let unary = call(&stack, "Say", "", &[]).await;
    assert_eq!(unary.status, 415);
    assert!(unary.header("accept-post").starts_with("application/json"));
}

#[tokio::test]
async fn envelopes_are_compressed_each_for_itself() {
    let stack = Stack::start().await;
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(br#"{"text":"big"}"#).expect("memory");
    let mixed = [framed(1, &gzip.finish().expect("memory")), framed(0, b"{}")].concat();
    let headers = [("connect-content-encoding", "gzip"), ("connect-accept-encoding", "gzip")];
    let answer = read(send(stack.edge, post("Tell", JSON, &headers, mixed)).await).await;
    assert_eq!(answer.header("connect-content-encoding"), "gzip");
    let envelopes = unframed(&answer.body);
    assert_eq!(envelopes.iter().map(|(flags, _)| *flags).collect::<Vec<_>>(), [1, 2]);
    let unknown = call(&stack, "Tell", "1", &[("connect-content-encoding", "br")]).await;
    assert_eq!(told(&unknown).1, "unimplemented");
}
