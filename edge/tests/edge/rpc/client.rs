//! A client with nothing of any protocol but HTTP.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::rpc::cafe::{Word, unframed};
use prost::Message;

/// Nothing here takes so long unless it hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: HeaderMap,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    pub(crate) fn trailer(&self, name: &str) -> &str {
        self.trailers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("JSON: {self:?}"))
    }

    /// The texts of enveloped words, and the last envelope if it is none.
    pub(crate) fn words(&self) -> (Vec<String>, Option<(u8, String)>) {
        words(&self.body)
    }
}

/// The texts of words, as protobuf or JSON, and the last frame if its flags say that it is none.
pub(crate) fn words(body: &[u8]) -> (Vec<String>, Option<(u8, String)>) {
    let mut texts = Vec::new();
    let mut last = None;
    for (flags, message) in unframed(body) {
        assert_eq!(last, None, "nothing follows the end");
        match flags {
            0 if message.first() == Some(&b'{') => {
                let json: Value = serde_json::from_slice(&message).expect("JSON");
                texts.push(json["text"].as_str().expect("a text").to_owned());
            }
            0 => texts.push(Word::decode(message.as_slice()).expect("a word").text),
            _ => last = Some((flags, String::from_utf8(message).expect("UTF-8"))),
        }
    }
    (texts, last)
}

/// Sends over HTTP/1.1; the connection lives as long as the answer's body.
pub(crate) async fn send(address: SocketAddr, request: Request<Body>) -> Response<Incoming> {
    let stream = TcpStream::connect(address).await.expect("a connection");
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.expect("HTTP/1.1");
    tokio::spawn(connection);
    timeout(PATIENCE, sender.send_request(hosted(address, request)))
        .await
        .expect("an answer")
        .expect("an answer")
}

/// Sends over HTTP/2 with prior knowledge.
pub(crate) async fn send2(address: SocketAddr, mut request: Request<Body>) -> Response<Incoming> {
    let stream = TcpStream::connect(address).await.expect("a connection");
    let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.expect("HTTP/2");
    tokio::spawn(connection);
    *request.uri_mut() = format!("http://{address}{}", request.uri()).parse().expect("a URI");
    timeout(PATIENCE, sender.send_request(request)).await.expect("an answer").expect("an answer")
}

fn hosted(address: SocketAddr, mut request: Request<Body>) -> Request<Body> {
    request.headers_mut().insert("host", address.to_string().parse().expect("a host"));
    request
}

pub(crate) async fn read(response: Response<Incoming>) -> Answer {
    let (head, body) = response.into_parts();
    let collected = timeout(PATIENCE, body.collect()).await.expect("an end").expect("a whole body");
    let trailers = collected.trailers().cloned().unwrap_or_default();
    Answer { status: head.status, headers: head.headers, body: collected.to_bytes().to_vec(), trailers }
}

/// Reads until the body holds this many bytes more.
pub(crate) async fn read_some(body: &mut Incoming) -> Bytes {
    let frame =
        timeout(PATIENCE, body.frame()).await.expect("a frame").expect("not the end").expect("a frame");
    frame.into_data().expect("data")
}

/// A POST to a method such as `Say`.
pub(crate) fn post(
    method: &str,
    content_type: &str,
    headers: &[(&str, &str)],
    body: impl Into<Body>,
) -> Request<Body> {
    let request = Request::post(format!("/cafe.v1.Cafe/{method}")).header("content-type", content_type);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.body(body.into()).expect("a request")
}
