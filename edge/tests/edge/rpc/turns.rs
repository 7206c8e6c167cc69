//! Streams by gRPC, gRPC-Web and Connect in a shutdown: each goes on until its turn, and is told why it ends.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::Response;
use hyper::body::Incoming;
use prost::Message;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;

use crate::rpc::cafe::{framed, word};
use crate::rpc::client::{Answer, post, read, read_some, send2};
use crate::rpc::stack::Stack;

const WINDOW: Duration = Duration::from_millis(1500);
const FACES: [&str; 3] = ["application/grpc", "application/grpc-web+proto", "application/connect+proto"];

struct Chat {
    says: mpsc::Sender<Result<Bytes, Infallible>>,
    answer: Response<Incoming>,
}

fn said(text: &str) -> Bytes {
    framed(0, &word(text, 1).encode_to_vec())
}

async fn chat(stack: &Stack, face: &str) -> Chat {
    let (says, frames) = mpsc::channel(1);
    let body = Body::from_stream(ReceiverStream::new(frames));
    let request = post("Chat", face, &[("te", "trailers")], body);
    says.send(Ok(said("hello"))).await.expect("room");
    let mut answer = send2(stack.edge, request).await;
    assert_eq!(read_some(answer.body_mut()).await, said("hello"), "{face}");
    Chat { says, answer }
}

/// How the stream ended, as its face says it.
fn end(face: &str, answer: &Answer) -> String {
    match face {
        "application/grpc" => {
            format!("{} {}", answer.trailer("grpc-status"), answer.trailer("grpc-message"))
        }
        _ => answer.words().1.expect("an end").1,
    }
}

#[tokio::test]
async fn each_stream_goes_on_until_its_turn_and_is_told_why_it_ends() {
    for face in FACES {
        let stack = Stack::start_with(|config| config.drain.window = WINDOW).await;
        let mut chats = Vec::new();
        for _ in 0..5 {
            chats.push(chat(&stack, face).await);
        }
        stack.drain.cancel();
        let begun = Instant::now();
        let mut chats = chats.into_iter();
        let first = chats.next().expect("the first");
        let reading = chats.map(|chat| {
            tokio::spawn(async move {
                // It is still served.
                let went_on = chat.says.send(Ok(said("still here?"))).await.is_ok();
                let answer = read(chat.answer).await;
                (went_on && answer.words().0.first().is_some_and(|text| text == "still here?"), answer)
            })
        });
        let reading: Vec<_> = reading.collect();
        let first = read(first.answer).await;
        let mut last = begun;
        for one in reading {
            let (went_on, answer) = one.await.expect("no panic");
            assert!(went_on, "{face}: {answer:?}");
            assert_told(face, &answer);
            last = Instant::now();
        }
        assert_told(face, &first);
        assert!(last - begun >= WINDOW / 2, "{face}: all at once, after {:?}", last - begun);
        stack.cafe.open(0).await;
    }
}

#[track_caller]
fn assert_told(face: &str, answer: &Answer) {
    let end = end(face, answer);
    let is_unavailable = end.contains("unavailable") || end.contains("14");
    assert!(is_unavailable && end.contains("shutting down"), "{face}: {end}");
}
