//! What the time and the bytes of a request may come to.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::StreamExt;
use http_body::Frame;
use http_body_util::StreamBody;
use prost::Message;
use tokio_stream::once;

use crate::rpc::cafe::{framed, word};
use crate::rpc::client::{post, read, send, send2};
use crate::rpc::stack::Stack;

fn frame(text: &str) -> Bytes {
    framed(0, &word(text, 1).encode_to_vec())
}

/// A body that begins so and never ends.
fn unfinished(first: impl Into<Bytes>) -> Body {
    let frames = once(Ok::<_, Infallible>(Frame::data(first.into()))).chain(futures_util::stream::pending());
    Body::new(StreamBody::new(frames))
}

#[tokio::test]
async fn the_time_limit_of_a_unary_call_holds_while_its_body_comes() {
    let stack = Stack::start().await;
    let limited = [("connect-protocol-version", "1"), ("connect-timeout-ms", "200")];
    let connect = post("Do", "application/json", &limited, unfinished("{"));
    let answer = read(send(stack.edge, connect).await).await;
    assert_eq!((answer.status.as_u16(), answer.json()["code"].as_str()), (504, Some("deadline_exceeded")));
    for (method, content_type) in [
        ("Do", "application/grpc-web+proto"),
        ("Enter", "application/grpc-web+proto"),
        ("Do", "application/grpc"),
    ] {
        let request = post(method, content_type, &[("grpc-timeout", "200m")], unfinished(&b"\0\0"[..]));
        let answer = read(send2(stack.edge, request).await).await;
        let told = [answer.header("grpc-status"), answer.trailer("grpc-status")].concat();
        assert_eq!(told, "4", "{method} {content_type}: {answer:?}");
    }
}

#[tokio::test]
async fn streamed_requests_are_bounded_where_that_is_set() {
    let many = Bytes::from(frame("aaaaaaaaaa").repeat(100));
    for content_type in ["application/grpc-web+proto", "application/grpc"] {
        let free = Stack::start().await;
        let answer = read(send2(free.edge, post("Gather", content_type, &[], many.clone())).await).await;
        assert!(answer.body.len() > 1000, "no limit unless it is set: {answer:?}");

        let few = Stack::start_with(|config| config.limits.stream_bytes = Some(1000)).await;
        let answer = read(send2(few.edge, post("Gather", content_type, &[], many.clone())).await).await;
        let told = [answer.header("grpc-message"), answer.trailer("grpc-message")].concat();
        let told = told + &String::from_utf8_lossy(&answer.body);
        assert!(told.contains("limits.stream_bytes"), "{content_type}: {answer:?}");
        few.cafe.open(0).await;

        let short = |config: &mut lastmile_edge::config::EdgeConfig| {
            config.limits.upload_timeout = Some(Duration::from_millis(200));
        };
        let short = Stack::start_with(short).await;
        let answer = post("Gather", content_type, &[], unfinished(frame("a")));
        let answer = read(send2(short.edge, answer).await).await;
        let told = [answer.header("grpc-status"), answer.trailer("grpc-status")].concat();
        let told = told + &String::from_utf8_lossy(&answer.body);
        assert!(told.contains("4"), "{content_type}: {answer:?}");
        short.cafe.open(0).await;
    }
}

#[tokio::test]
async fn the_limit_of_an_upstream_is_not_for_the_time_that_its_caller_takes() {
    let limited = lastmile_edge::config::UpstreamConfig {
        timeout: Some(Duration::from_millis(300)),
        ..lastmile_edge::config::UpstreamConfig::default()
    };
    let stack = Stack::start_before(limited, |_| {}).await;
    let slow = once(Bytes::from_static(b"{\"text\":\"a\"}\n")).chain(futures_util::stream::once(async {
        tokio::time::sleep(Duration::from_millis(600)).await;
        Bytes::from_static(b"{\"text\":\"b\"}\n")
    }));
    let body = Body::from_stream(slow.map(Ok::<_, Infallible>));
    let request = post("Gather", "application/x-ndjson", &[], body);
    let answer = read(send(stack.edge, request).await).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["text"]), (200, &serde_json::json!("ab")));

    let deaf = post("Gather", "application/x-ndjson", &[], "{\"text\":\"deaf\"}\n");
    assert_eq!(read(send(stack.edge, deaf).await).await.status, 504, "the wait for an answer is limited");
}
