//! WebSockets on a stream of HTTP/2 (RFC 8441), by a client of HTTP/2 alone.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use h2::client::SendRequest;
use h2::ext::Protocol;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::rpc::stack::Stack;

/// A connection that has heard that the other side takes WebSockets.
async fn connect(address: SocketAddr) -> SendRequest<Bytes> {
    let stream = TcpStream::connect(address).await.expect("a connection");
    let (sender, connection) = h2::client::handshake(stream).await.expect("a handshake");
    tokio::spawn(connection);
    let mut sender = sender.ready().await.expect("a connection");
    // SETTINGS of the other side come in their own time.
    let told = async {
        while !sender.is_extended_connect_protocol_enabled() {
            sender = sender.clone().ready().await.expect("a connection");
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(20), told).await.expect("SETTINGS_ENABLE_CONNECT_PROTOCOL");
    sender
}

/// Asks for a WebSocket; the answer, and both ways of the stream.
async fn ask(
    sender: &mut SendRequest<Bytes>,
    address: SocketAddr,
    headers: &BTreeMap<&str, &str>,
) -> (StatusCode, HeaderMap, SendStream<Bytes>, RecvStream) {
    let mut request = Request::connect(format!("http://{address}/ws"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.extension(Protocol::from_static("websocket")).body(()).expect("a request");
    let (answer, sending) = sender.send_request(request, false).expect("a stream");
    let answer = timeout(Duration::from_secs(20), answer).await.expect("in time").expect("an answer");
    let (head, receiving) = answer.into_parts();
    (head.status, head.headers, sending, receiving)
}

fn offer() -> BTreeMap<&'static str, &'static str> {
    BTreeMap::from([("sec-websocket-version", "13"), ("sec-websocket-protocol", "lastmile.v1.json")])
}

/// The text frames of a server, each short.
struct Frames {
    receiving: RecvStream,
    bytes: BytesMut,
}

impl Frames {
    /// The next frame of the session; the code where it is a close.
    async fn next(&mut self) -> Result<Value, u16> {
        loop {
            let (head, length) = match *self.bytes {
                [_, 126, a, b, ..] => (4, usize::from(u16::from_be_bytes([a, b]))),
                [_, short, ..] => (2, usize::from(short)),
                _ => (usize::MAX, 0),
            };
            if head < usize::MAX && self.bytes.len() >= head + length {
                let frame = self.bytes.split_to(head + length);
                let payload = &frame[head..];
                match frame[0] {
                    0x81 => return Ok(serde_json::from_slice(payload).expect("JSON")),
                    0x88 => return Err(u16::from_be_bytes([payload[0], payload[1]])),
                    _ => continue,
                }
            }
            let read = timeout(Duration::from_secs(20), self.receiving.data()).await.expect("in time");
            let data = read.expect("a stream that goes on").expect("data");
            self.receiving.flow_control().release_capacity(data.len()).expect("it was had");
            self.bytes.extend_from_slice(&data);
        }
    }
}

async fn say(sending: &mut SendStream<Bytes>, frame: Value) {
    let text = frame.to_string();
    let length = u16::try_from(text.len()).expect("a short frame").to_be_bytes();
    let bytes = [&[0x81, 0xfe][..], &length, &[0; 4], text.as_bytes()].concat();
    sending.reserve_capacity(bytes.len());
    while sending.capacity() < bytes.len() {
        poll_fn(|cx| sending.poll_capacity(cx)).await.expect("a stream").expect("room");
    }
    sending.send_data(bytes.into(), false).expect("a stream that takes it");
}

#[tokio::test]
async fn a_session_is_carried_by_a_stream_of_http2_beside_others() {
    let stack = Stack::start().await;
    let mut sender = connect(stack.edge).await;
    let mut sessions = Vec::new();
    for _ in 0..3 {
        let (status, headers, mut sending, receiving) = ask(&mut sender, stack.edge, &offer()).await;
        assert_eq!(status, 200);
        assert_eq!(headers["sec-websocket-protocol"], "lastmile.v1.json");
        assert!(headers.get("sec-websocket-accept").is_none(), "there is no key to accept");
        let mut frames = Frames { receiving, bytes: BytesMut::new() };
        say(&mut sending, json!({ "hello": {} })).await;
        let ready = frames.next().await.expect("a frame");
        let name = ready["ready"]["session"].as_str().expect("a session").to_owned();
        sessions.push((name, sending, frames));
    }
    for (number, (_, sending, frames)) in sessions.iter_mut().enumerate() {
        let text = format!("tea {number}");
        let open = json!({ "call": 1, "method": "cafe.v1.Cafe/Say", "json": { "text": text } });
        say(sending, json!({ "open": open })).await;
        assert_eq!(frames.next().await.expect("a frame")["message"]["json"]["text"], json!(text));
        assert_eq!(frames.next().await.expect("a frame")["end"]["call"], 1);
    }
    // One that breaks the rules is closed alone, and can be resumed by another stream.
    let (name, mut sending, mut frames) = sessions.pop().expect("three of them");
    say(&mut sending, json!({ "cancel": { "call": 9 } })).await;
    while let Ok(frame) = frames.next().await {
        assert!(frame.get("goaway").is_some(), "{frame}");
    }
    let (_, _, mut sending, receiving) = ask(&mut sender, stack.edge, &offer()).await;
    let mut frames = Frames { receiving, bytes: BytesMut::new() };
    say(&mut sending, json!({ "hello": { "session": name, "received": 2 } })).await;
    assert_eq!(frames.next().await.expect("a frame")["ready"]["session"], json!(name));
    let (_, sending, frames) = &mut sessions[0];
    say(sending, json!({ "ping": {} })).await;
    while frames.next().await.expect("a frame").get("pong").is_none() {}
}

#[tokio::test]
async fn what_is_no_handshake_on_http2_is_refused_by_its_status() {
    let stack = Stack::start().await;
    let mut sender = connect(stack.edge).await;
    for (name, value, status) in [
        ("sec-websocket-version", "8", 400),
        ("sec-websocket-protocol", "chat", 400),
        ("origin", "https://evil.test", 403),
    ] {
        let mut headers = offer();
        headers.insert(name, value);
        let (answered, ..) = ask(&mut sender, stack.edge, &headers).await;
        assert_eq!(answered, status, "{name}: {value}");
    }
    let (status, ..) = ask(&mut sender, stack.edge, &offer()).await;
    assert_eq!(status, 200, "the connection goes on");
}
