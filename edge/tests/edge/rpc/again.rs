//! Time limits of a backend, and calls that are made once more, on the faces that are not REST.

use std::time::Duration;

use axum::body::Body;
use http::Request;
use lastmile_edge::config::UpstreamConfig;
use prost::Message;
use serde_json::json;
use tokio::net::TcpListener;

use crate::rpc::cafe::{framed, word};
use crate::rpc::client::{Answer, post, read, send, send2};
use crate::rpc::stack::Stack;

fn connect(method: &str, text: &str) -> Request<Body> {
    let json = json!({ "text": text }).to_string();
    post(method, "application/json", &[("connect-protocol-version", "1")], json)
}

async fn get(stack: &Stack, text: &str) -> Answer {
    let message = json!({ "text": text }).to_string().replace('"', "%22").replace(' ', "%20");
    let target = format!("/cafe.v1.Cafe/Say?connect=v1&encoding=json&message={message}");
    read(send(stack.edge, Request::get(target).body(Body::empty()).expect("a request")).await).await
}

fn frame(text: &str) -> bytes::Bytes {
    framed(0, &word(text, 0).encode_to_vec())
}

#[tokio::test]
async fn the_time_limit_of_a_backend_holds_on_every_face() {
    let limited = UpstreamConfig { timeout: Some(Duration::from_millis(200)), ..UpstreamConfig::default() };
    let stack = Stack::start_before(limited, |_| {}).await;
    assert_eq!(read(send(stack.edge, connect("Do", "hang")).await).await.status, 504);
    let web =
        read(send(stack.edge, post("Do", "application/grpc-web+proto", &[], frame("hang"))).await).await;
    assert!(String::from_utf8_lossy(&web.body).contains("grpc-status:4"), "{web:?}");
    let grpc = post("Do", "application/grpc", &[("te", "trailers")], frame("hang"));
    assert_eq!(read(send2(stack.edge, grpc).await).await.trailer("grpc-status"), "4");
}

#[tokio::test]
async fn busy_is_asked_once_more_where_nothing_can_happen_twice() {
    for text in ["busy once", "busy once, told later"] {
        let stack = Stack::start().await;
        let answer = read(send(stack.edge, connect("Say", text)).await).await;
        assert_eq!((answer.status.as_u16(), stack.cafe.calls()), (200, 2), "{text}");
        let stack = Stack::start().await;
        assert_eq!((get(&stack, text).await.status.as_u16(), stack.cafe.calls()), (200, 2), "{text}");
        let stack = Stack::start().await;
        let answer = read(send(stack.edge, connect("Do", text)).await).await;
        assert_eq!((answer.status.as_u16(), stack.cafe.calls()), (503, 1), "{text}");
    }
}

#[tokio::test]
async fn what_nobody_has_seen_is_sent_elsewhere_whatever_it_does() {
    let mut failed = Vec::new();
    // Which of two is asked first is left to chance.
    for _ in 0..6 {
        for face in ["connect", "web", "cookies", "grpc"] {
            let gone = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let url = vec![format!("http://{}", gone.local_addr().expect("an address"))];
            drop(gone);
            let stack =
                Stack::start_before(UpstreamConfig { url, ..UpstreamConfig::default() }, |_| {}).await;
            let web = |method| post(method, "application/grpc-web+proto", &[], frame("hi"));
            let answer = match face {
                "connect" => read(send(stack.edge, connect("Do", "hi")).await).await,
                "web" => read(send(stack.edge, web("Do")).await).await,
                "cookies" => read(send(stack.edge, web("Enter")).await).await,
                _ => {
                    let request = post("Gather", "application/grpc", &[("te", "trailers")], frame("hi"));
                    read(send2(stack.edge, request).await).await
                }
            };
            if !String::from_utf8_lossy(&answer.body).contains("hi") {
                failed.push(face);
            }
        }
    }
    assert_eq!(failed, [""; 0]);
}
