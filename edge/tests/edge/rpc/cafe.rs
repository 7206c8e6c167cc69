//! A backend that does what the text of a request says, in bare HTTP/2 and gRPC frames.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use lastmile_proto::google::rpc::{DebugInfo, ErrorInfo, Status};
use prost::Message;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

/// `cafe.v1.Word`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Word {
    #[prost(string, tag = "1")]
    pub(crate) text: String,
    #[prost(int64, tag = "2")]
    pub(crate) number: i64,
}

pub(crate) fn word(text: &str, number: i64) -> Word {
    Word { text: text.into(), number }
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut gzip, bytes).expect("memory");
    gzip.finish().expect("memory")
}

/// A message in its frame.
pub(crate) fn framed(flags: u8, message: &[u8]) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_u8(flags);
    frame.put_u32(message.len() as u32);
    frame.put(message);
    frame.freeze()
}

/// The messages of whole frames, with their flags.
pub(crate) fn unframed(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut messages = Vec::new();
    while let [flags, a, b, c, d, rest @ ..] = bytes {
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        messages.push((*flags, rest[..length].to_vec()));
        bytes = &rest[length..];
    }
    assert!(bytes.is_empty(), "a frame is cut");
    messages
}

/// How many calls are open.
#[derive(Debug, Clone)]
pub(crate) struct Cafe {
    open: watch::Sender<usize>,
    calls: Arc<AtomicUsize>,
}

struct Open(watch::Sender<usize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open -= 1);
    }
}

type Frames = mpsc::Sender<Frame<Bytes>>;

impl Cafe {
    pub(crate) fn new() -> Self {
        Self { open: watch::Sender::new(0), calls: Arc::default() }
    }

    /// How many calls were made.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// Waits until this many calls are open.
    pub(crate) async fn open(&self, count: usize) {
        let mut open = self.open.subscribe();
        let reached = timeout(Duration::from_secs(20), open.wait_for(|open| *open == count)).await;
        reached
            .unwrap_or_else(|_| panic!("not {count} calls open, but {}", *self.open.borrow()))
            .expect("the cafe");
    }

    pub(crate) async fn respond(self, request: Request<Body>) -> Response<Body> {
        let (head, body) = request.into_parts();
        let name = head.uri.path().rsplit('/').next().unwrap_or_default().to_owned();
        self.open.send_modify(|open| *open += 1);
        let open = Open(self.open.clone());
        let mut body = Requests { body, buffer: BytesMut::new() };
        let first = if name == "Chat" { None } else { body.next().await };
        let first = first.unwrap_or_default();
        let is_first = self.calls.fetch_add(1, Ordering::SeqCst) == 0;
        if let Some(answer) = unusual(&first.text, is_first) {
            return answer;
        }
        let encoded = matches!(first.text.as_str(), "bombs" | "compressed");
        let (frames, received) = mpsc::channel(1);
        tokio::spawn(async move {
            // Whoever is no longer listened to stops.
            tokio::select! {
                () = act(&name, first, &head.headers, &mut body, &frames) => {}
                () = frames.closed() => {}
            }
            drop(open);
        });
        let stream = ReceiverStream::new(received).map(Ok::<_, Infallible>);
        let mut response = Response::new(Body::new(StreamBody::new(stream)));
        let headers = response.headers_mut();
        headers.insert("content-type", HeaderValue::from_static("application/grpc"));
        if encoded {
            headers.insert("grpc-encoding", HeaderValue::from_static("gzip"));
        }
        headers.insert("x-initial", HeaderValue::from_static("first"));
        headers.insert("x-secret", HeaderValue::from_static("stays"));
        response
    }
}

/// Messages as they arrive.
struct Requests {
    body: Body,
    buffer: BytesMut,
}

impl Requests {
    async fn next(&mut self) -> Option<Word> {
        loop {
            if let [_, a, b, c, d, rest @ ..] = self.buffer.as_ref() {
                let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
                if rest.len() >= length {
                    let frame = self.buffer.split_to(5 + length);
                    return Some(Word::decode(&frame[5..]).expect("a word"));
                }
            }
            let frame = self.body.frame().await?.ok()?;
            self.buffer.extend_from_slice(frame.data_ref()?);
        }
    }
}

/// Answers that are no stream of messages.
fn unusual(text: &str, is_first: bool) -> Option<Response<Body>> {
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    match text {
        "trailers only" => {
            headers.insert("content-type", HeaderValue::from_static("application/grpc"));
            headers.insert("x-initial", HeaderValue::from_static("first"));
            headers.extend(failure());
        }
        "own fault at once" => {
            headers.insert("content-type", HeaderValue::from_static("application/grpc"));
            headers.extend(own_fault(13));
        }
        "busy once" if is_first => {
            headers.insert("content-type", HeaderValue::from_static("application/grpc"));
            headers.extend(trailers("14"));
        }
        "busy once, told later" if is_first => {
            headers.insert("content-type", HeaderValue::from_static("application/grpc"));
            response = response.map(|_| {
                Body::new(StreamBody::new(tokio_stream::once(Ok::<_, Infallible>(Frame::trailers(
                    trailers("14"),
                )))))
            });
        }
        "proxy" => *response.status_mut() = StatusCode::BAD_GATEWAY,
        _ => return None,
    }
    Some(response)
}

async fn act(name: &str, first: Word, headers: &HeaderMap, requests: &mut Requests, frames: &Frames) {
    let message = |word: Word| frames.send(Frame::data(framed(0, &word.encode_to_vec())));
    let mut ended = trailers("0");
    match (name, first.text.as_str()) {
        ("Gather", "deaf") => std::future::pending().await,
        ("Gather", _) => {
            let mut all = first;
            while let Some(next) = requests.next().await {
                all = word(&(all.text + &next.text), all.number + next.number);
            }
            let _ = message(all).await;
        }
        ("Chat", _) => {
            while let Some(next) = requests.next().await {
                let _ = message(next).await;
            }
        }
        (_, "fail") => {
            let _ = message(word("one", 1)).await;
            ended.extend(failure());
        }
        (_, "own fault") => ended.extend(own_fault(13)),
        (_, "own fault with a message") => {
            let _ = message(word("one", 1)).await;
            ended.extend(own_fault(2));
        }
        (_, "denied") => ended.extend(own_fault(7)),
        (_, "hang") => {
            let _ = message(word("one", 1)).await;
            std::future::pending::<()>().await;
        }
        (_, "cut") => {
            let whole = framed(0, &word("one", 1).encode_to_vec());
            let _ = frames.send(Frame::data([&whole[..], &whole[..7]].concat().into())).await;
            return;
        }
        (_, "torn") => {
            let whole = framed(0, &word("one", 1).encode_to_vec());
            let _ = frames.send(Frame::data([&whole[..], &whole[..7]].concat().into())).await;
        }
        (_, "huge") => {
            let _ = message(word("one", 1)).await;
            let _ = message(word(&"x".repeat(100_000), 2)).await;
        }
        (_, "unreadable") => {
            let both = [framed(0, &word("one", 1).encode_to_vec()), framed(0, b"\x0a\x7f")].concat();
            let _ = frames.send(Frame::data(both.into())).await;
        }
        (_, "compressed" | "compressed somehow") => {
            let message = framed(1, &gzip(&word("plain", 1).encode_to_vec()));
            let _ = frames.send(Frame::data(message)).await;
        }
        (_, "bombs") => {
            let bomb = framed(1, &gzip(&word(&"x".repeat(45_000), 1).encode_to_vec()));
            let _ = frames
                .send(Frame::data([&bomb.repeat(150)[..], &framed(0, &[0; 60_000])].concat().into()))
                .await;
            std::future::pending::<()>().await;
        }
        (_, "nothing") => {}
        (_, "headers") => _ = message(word(&listed(headers), 0)).await,
        (_, "big") => _ = message(word(&"x".repeat(3000), 0)).await,
        ("Tell", text) => {
            for number in 1..=text.parse().unwrap_or(1) {
                let _ = message(word(text, number)).await;
            }
        }
        _ => _ = message(first).await,
    }
    let _ = frames.send(Frame::trailers(ended)).await;
}

fn trailers(status: &str) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", status.parse().expect("a status"));
    trailers.insert("x-cost", HeaderValue::from_static("5"));
    trailers.insert("x-key-bin", HeaderValue::from_static("AAE"));
    trailers.insert("x-secret", HeaderValue::from_static("stays"));
    trailers
}

/// ABORTED with a detail of a type that nobody knows.
fn failure() -> HeaderMap {
    let detail = prost_types::Any { type_url: "type.googleapis.com/no.Such".into(), value: vec![255, 1] };
    failed(10, "näh", "n%C3%A4h", vec![detail])
}

/// What only developers should see: a table in the message, and a stack trace.
fn own_fault(code: i32) -> HeaderMap {
    let debug = DebugInfo { stack_entries: vec!["main.go:7".into()], detail: String::new() };
    let info = ErrorInfo { reason: "NOT_YOURS".into(), ..ErrorInfo::default() };
    let detail = |name: &str, value| prost_types::Any { type_url: format!("t/google.rpc.{name}"), value };
    let details = vec![detail("ErrorInfo", info.encode_to_vec()), detail("DebugInfo", debug.encode_to_vec())];
    failed(code, "row 7 of users", "row 7 of users", details)
}

fn failed(code: i32, message: &str, escaped: &str, details: Vec<prost_types::Any>) -> HeaderMap {
    let status = Status { code, message: message.into(), details };
    let mut trailers = trailers(&code.to_string());
    trailers.insert("grpc-message", escaped.parse().expect("ASCII"));
    let details = STANDARD_NO_PAD.encode(status.encode_to_vec());
    trailers.insert("grpc-status-details-bin", details.parse().expect("base64"));
    trailers
}

/// What arrived, without what changes from call to call.
fn listed(headers: &HeaderMap) -> String {
    let kept = headers
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "traceparent" | "user-agent" | "tracestate"));
    let mut lines: Vec<String> =
        kept.map(|(name, value)| format!("{name}: {}", value.to_str().expect("text"))).collect();
    lines.sort_unstable();
    lines.join("\n")
}
