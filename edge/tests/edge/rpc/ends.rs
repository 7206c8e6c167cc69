//! What becomes of calls that are still open when a shutdown can wait no longer.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use prost::Message;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

use crate::rpc::cafe::{framed, word};
use crate::rpc::client::{post, read, send, send2};
use crate::rpc::stack::Stack;

async fn hasty() -> Stack {
    Stack::start_with(|config| config.drain.grace = Duration::from_millis(800)).await
}

fn frame() -> Vec<u8> {
    framed(0, &word("hang", 1).encode_to_vec()).to_vec()
}

/// Makes the call, and begins the shutdown when the backend has it.
async fn shut_down_under(stack: &Stack) {
    stack.cafe.open(1).await;
    stack.drain.cancel();
}

#[tokio::test]
async fn a_rest_call_is_answered_503_before_it_is_cut() {
    let stack = hasty().await;
    let request = post("Do", "application/json", &[], r#"{"text":"hang"}"#);
    let (answer, ()) = tokio::join!(send(stack.edge, request), shut_down_under(&stack));
    let answer = read(answer).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (503, "application/problem+json"));
    assert_eq!(answer.json()["reason"], "CUT_BY_DRAIN");
    assert!(!answer.header("retry-after").is_empty(), "{answer:?}");
    stack.cafe.open(0).await;
    stack.serving.await.expect("it ends");
}

#[tokio::test]
async fn a_call_of_every_rpc_face_is_answered_before_it_is_cut() {
    let stack = hasty().await;
    let connect = post("Do", "application/json", &[("connect-protocol-version", "1")], r#"{"text":"hang"}"#);
    let (answer, ()) = tokio::join!(send(stack.edge, connect), shut_down_under(&stack));
    let answer = read(answer).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["code"]), (503, &Value::from("unavailable")));

    let stack = hasty().await;
    let web = post("Do", "application/grpc-web+proto", &[], frame());
    let (answer, ()) = tokio::join!(send(stack.edge, web), shut_down_under(&stack));
    let (_, end) = read(answer).await.words();
    let end = end.expect("trailers").1;
    assert!(end.contains("grpc-status:14\r\n") && end.contains("shutting down"), "{end}");

    let stack = hasty().await;
    let grpc = post("Do", "application/grpc", &[("te", "trailers")], frame());
    let (answer, ()) = tokio::join!(send2(stack.edge, grpc), shut_down_under(&stack));
    let answer = read(answer).await;
    assert_eq!(answer.trailer("grpc-status"), "14");
    assert!(answer.trailer("grpc-message").contains("shutting down"), "{answer:?}");
    stack.serving.await.expect("it ends");
}

#[tokio::test]
async fn a_call_that_ends_within_the_grace_is_none_the_wiser() {
    let stack = Stack::start().await;
    let (sender, receiver) = mpsc::channel(1);
    let body = Body::from_stream(ReceiverStream::new(receiver).map(Ok::<_, Infallible>));
    let request = post("Gather", "application/x-ndjson", &[], body);
    let talk = async {
        sender.send("{\"text\":\"a\"}\n").await.expect("it is read");
        shut_down_under(&stack).await;
        sender.send("{\"text\":\"b\"}\n").await.expect("it is read on");
        drop(sender);
    };
    let (answer, ()) = tokio::join!(send(stack.edge, request), talk);
    let answer = read(answer).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["text"]), (200, &Value::from("ab")));
    stack.serving.await.expect("it ends");
}
