//! Plain gRPC by a real client, and what becomes of it over HTTP/1.1.

use std::io;
use std::time::Duration;

use super::codec::BytesCodec;
use axum::body::Body;
use bytes::Bytes;
use http::uri::PathAndQuery;
use prost::Message;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Streaming};

use crate::rpc::cafe::{Word, framed, word};
use crate::rpc::client::{post, read, read_some, send, send2};
use crate::rpc::stack::{BODY_LIMIT, Stack};

async fn client(stack: &Stack) -> Grpc<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{}", stack.edge)).expect("a URL");
    let mut grpc = Grpc::new(endpoint.connect().await.expect("a connection"));
    grpc.ready().await.expect("a client");
    grpc
}

fn path(method: &str) -> PathAndQuery {
    format!("/cafe.v1.Cafe/{method}").parse().expect("a path")
}

fn encoded(text: &str) -> Bytes {
    word(text, 1).encode_to_vec().into()
}

async fn next(stream: &mut Streaming<Bytes>) -> Result<Option<String>, tonic::Status> {
    let message = timeout(Duration::from_secs(20), stream.message()).await.expect("a message")?;
    Ok(message.map(|message| Word::decode(message).expect("a word").text))
}

#[tokio::test]
async fn every_kind_of_call_passes() {
    let stack = Stack::start().await;
    let mut grpc = client(&stack).await;
    let said = grpc.unary(Request::new(encoded("hello")), path("Say"), BytesCodec).await.expect("an answer");
    assert_eq!(said.metadata().get("x-initial").expect("metadata"), "first");
    assert_eq!(said.metadata().get("x-cost").expect("a trailer"), "5");
    assert!(said.metadata().get("x-secret").is_none());
    assert_eq!(Word::decode(said.into_inner()).expect("a word"), word("hello", 1));

    let messages = tokio_stream::iter(["a", "b", "c"].map(encoded));
    grpc.ready().await.expect("a client");
    let gathered =
        grpc.client_streaming(Request::new(messages), path("Gather"), BytesCodec).await.expect("an answer");
    assert_eq!(Word::decode(gathered.into_inner()).expect("a word"), word("abc", 3));

    grpc.ready().await.expect("a client");
    let told = grpc.server_streaming(Request::new(encoded("3")), path("Tell"), BytesCodec).await;
    let mut told = told.expect("a stream").into_inner();
    for _ in 0..3 {
        assert_eq!(next(&mut told).await.expect("a message").as_deref(), Some("3"));
    }
    assert_eq!(next(&mut told).await.expect("an end"), None);
    assert_eq!(
        told.trailers().await.expect("trailers").expect("trailers").get("x-cost").expect("listed"),
        "5"
    );
}

#[tokio::test]
async fn both_sides_talk_at_once() {
    let stack = Stack::start().await;
    let mut grpc = client(&stack).await;
    let (sender, messages) = mpsc::channel(1);
    sender.send(encoded("one")).await.expect("room");
    let chat = grpc.streaming(Request::new(ReceiverStream::new(messages)), path("Chat"), BytesCodec).await;
    let mut chat = chat.expect("a stream").into_inner();
    for text in ["one", "two", "three"] {
        assert_eq!(next(&mut chat).await.expect("a message").as_deref(), Some(text));
        sender
            .send(encoded(match text {
                "one" => "two",
                _ => "three",
            }))
            .await
            .expect("room");
    }
    drop(sender);
    assert_eq!(next(&mut chat).await.expect("an echo").as_deref(), Some("three"));
    assert_eq!(next(&mut chat).await.expect("an end"), None);
}

#[tokio::test]
async fn a_call_ends_at_the_backend_though_its_client_has_not_finished() {
    let stack = Stack::start().await;
    let unfinished = |headers: &[(&str, &str)]| {
        let (sender, frames) = mpsc::channel::<io::Result<Bytes>>(1);
        (sender, post("Chat", "application/grpc", headers, Body::from_stream(ReceiverStream::new(frames))))
    };
    // By its time limit.
    let (_sender, request) = unfinished(&[("grpc-timeout", "200m")]);
    let answer = read(send2(stack.edge, request).await).await;
    assert_eq!(answer.trailer("grpc-status"), "4");
    stack.cafe.open(0).await;
    // By its client, who resets it.
    let (sender, request) = unfinished(&[]);
    let mut response = send2(stack.edge, request).await;
    sender.send(Ok(framed(0, &encoded("one")))).await.expect("room");
    read_some(response.body_mut()).await;
    stack.cafe.open(1).await;
    sender.send(Err(io::ErrorKind::Other.into())).await.expect("room");
    stack.cafe.open(0).await;
}

#[tokio::test]
async fn statuses_pass_with_their_details() {
    let stack = Stack::start().await;
    let mut grpc = client(&stack).await;
    for text in ["fail", "trailers only"] {
        grpc.ready().await.expect("a client");
        let failed =
            grpc.unary(Request::new(encoded(text)), path("Say"), BytesCodec).await.expect_err("a failure");
        assert_eq!((failed.code(), failed.message()), (Code::Aborted, "näh"), "{text}");
        assert!(failed.details().ends_with(b"\xff\x01"), "{text}");
    }
    for (method, text, code) in [("Nope", "", Code::Unimplemented), ("Tell", "cut", Code::Unavailable)] {
        grpc.ready().await.expect("a client");
        let failed = match grpc.server_streaming(Request::new(encoded(text)), path(method), BytesCodec).await
        {
            Err(status) => status,
            Ok(stream) => {
                let mut stream = stream.into_inner();
                loop {
                    if let Err(status) = next(&mut stream).await {
                        break status;
                    }
                }
            }
        };
        assert_eq!(failed.code(), code, "{method} {text}: {failed}");
    }
}

#[tokio::test]
async fn a_failure_before_the_first_byte_ends_with_the_head() {
    let stack = Stack::start().await;
    for (method, text, status) in [("Tell", "trailers only", "10"), ("Nope", "", "12")] {
        let response =
            send2(stack.edge, post(method, "application/grpc", &[], framed(0, &encoded(text)))).await;
        assert!(http_body::Body::is_end_stream(response.body()), "{method}");
        let answer = read(response).await;
        assert_eq!((answer.status.as_u16(), answer.header("grpc-status")), (200, status), "{method}");
        assert_eq!(answer.header("content-type"), "application/grpc");
    }
}

#[tokio::test]
async fn a_time_limit_holds_and_a_large_message_is_refused() {
    let stack = Stack::start().await;
    let hang = post("Tell", "application/grpc", &[("grpc-timeout", "200m")], framed(0, &encoded("hang")));
    let answer = read(send2(stack.edge, hang).await).await;
    assert_eq!((answer.words().0, answer.trailer("grpc-status")), (vec!["one".to_owned()], "4"));
    let large = post("Gather", "application/grpc", &[], framed(0, &vec![0; BODY_LIMIT + 1]));
    let answer = read(send2(stack.edge, large).await).await;
    assert_eq!(answer.header("grpc-status"), "8");
}

#[tokio::test]
async fn compression_passes_untouched() {
    let stack = Stack::start().await;
    let headers = [("grpc-encoding", "gzip"), ("grpc-accept-encoding", "identity,zstd")];
    let request = post("Tell", "application/grpc+proto", &headers, framed(0, &encoded("headers")));
    let (texts, _) = read(send2(stack.edge, request).await).await.words();
    for line in
        ["grpc-encoding: gzip", "grpc-accept-encoding: identity,zstd", "content-type: application/grpc+proto"]
    {
        assert!(texts[0].lines().any(|given| given == line), "{line} in {texts:?}");
    }
    let request = post("Tell", "application/grpc", &[], framed(0, &encoded("compressed")));
    let answer = read(send2(stack.edge, request).await).await;
    assert_eq!(answer.body[0], 1);
}

#[tokio::test]
async fn over_http1_it_is_told_what_to_use_instead() {
    let stack = Stack::start().await;
    let answer = read(send(stack.edge, post("Say", "application/grpc", &[], framed(0, b""))).await).await;
    assert_eq!(answer.status, 505);
    assert!(answer.json()["detail"].as_str().expect("a text").contains("application/grpc-web"));
}
