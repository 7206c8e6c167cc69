//! A backend in this process that plays what a test tells it: messages, pauses, and every way to stop.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::unfold;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use lastmile_edge::upstream::Upstream;
use lastmile_proto::google::rpc::{ErrorInfo, Status as RpcStatus};
use prost::Message;
use prost_reflect::DynamicMessage;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tonic::body::Body;
use tonic::{Code, Status};

use crate::shop::{message, method};

/// One thing that a call does.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// Has this in its initial metadata; comes before everything else.
    Metadata(&'static str, &'static str),
    /// Sends an encoded message.
    Send(Bytes),
    Pause(Duration),
    /// Waits for a moment, however late it is asked to.
    Until(Instant),
    /// Waits until this is true.
    When(watch::Receiver<bool>),
    /// Ends well.
    End,
    /// Ends with this status in the trailers.
    Fail(Status),
    /// Ends with these trailers, whatever they say.
    Trailers(&'static [(&'static str, &'static str)]),
    /// Stops without trailers, as when a proxy closes the connection in an orderly way.
    Cut,
    /// Stops in the middle of a message.
    Tear,
    /// The transport breaks.
    Reset,
    /// Whoever reads on panics.
    Panic,
    /// Says no more, for ever.
    Hang,
}

type Answer = Box<dyn Fn(&str, &Value) -> Vec<Act> + Send + Sync>;

/// A handle to the backend; what it was called with, and which calls are still open.
#[derive(Clone)]
pub(crate) struct Backend(Arc<Inner>);

struct Inner {
    answer: Answer,
    calls: Mutex<Vec<Value>>,
    heads: Mutex<Vec<HeaderMap>>,
    open: watch::Sender<usize>,
}

/// An open call; dropped with its body.
struct Open(watch::Sender<usize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open -= 1);
    }
}

impl Backend {
    /// `answer` is asked for every call: its method, such as `Streams/Watch`, and its request as JSON.
    pub(crate) fn new(answer: impl Fn(&str, &Value) -> Vec<Act> + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inner {
            answer: Box::new(answer),
            calls: Mutex::default(),
            heads: Mutex::default(),
            open: watch::Sender::new(0),
        }))
    }

    /// Expects these requests, each once, in this order; any other call fails.
    pub(crate) fn script(calls: impl IntoIterator<Item = (Value, Vec<Act>)>) -> Self {
        let calls = Mutex::new(calls.into_iter().collect::<Vec<_>>());
        Self::new(move |_, request| {
            let mut calls = calls.lock().expect("no test panics here");
            match calls.iter().position(|(expected, _)| expected == request) {
                Some(index) => calls.remove(index).1,
                None => vec![Act::Fail(Status::internal(format!("unexpected call with {request}")))],
            }
        })
    }

    /// The requests so far.
    pub(crate) fn calls(&self) -> Vec<Value> {
        self.0.calls.lock().expect("no test panics here").clone()
    }

    /// The metadata of the calls so far.
    pub(crate) fn heads(&self) -> Vec<HeaderMap> {
        self.0.heads.lock().expect("no test panics here").clone()
    }

    /// Waits until every call is over.
    pub(crate) async fn closed(&self) {
        let mut open = self.0.open.subscribe();
        let closed = timeout(Duration::from_secs(3600), open.wait_for(|open| *open == 0)).await;
        closed.expect("a call is still open").expect("the backend lives");
    }

    /// Waits until so many calls are open.
    pub(crate) async fn opened(&self, count: usize) {
        let mut open = self.0.open.subscribe();
        let opened = timeout(Duration::from_secs(20), open.wait_for(|open| *open == count)).await;
        opened.expect("not so many calls are open").expect("the backend lives");
    }

    pub(crate) fn open_calls(&self) -> usize {
        *self.0.open.borrow()
    }

    pub(crate) fn upstream(&self) -> Upstream {
        let backend = self.clone();
        Upstream::from_service(tower::service_fn(move |request| {
            let backend = backend.clone();
            async move { Ok::<_, Status>(backend.respond(request).await) }
        }))
    }

    pub(crate) async fn respond(&self, request: Request<Body>) -> Response<Body> {
        let name = request.uri().path().trim_start_matches("/shop.v1.").to_owned();
        // Probes ask for health, which this backend does not have.
        if !request.uri().path().starts_with("/shop.v1.") {
            return Status::unimplemented(name).into_http();
        }
        self.0.heads.lock().expect("no test panics here").push(request.headers().clone());
        let body = request.into_body().collect().await.expect("a request body").to_bytes();
        // Behind the flag and the length of the gRPC frame.
        let request = DynamicMessage::decode(method(&name).descriptor.input(), &body[5..]);
        let request = serde_json::to_value(request.expect("the request's message")).expect("JSON");
        let acts = (self.0.answer)(&name, &request);
        let (metadata, acts): (Vec<Act>, Vec<Act>) =
            acts.into_iter().partition(|act| matches!(act, Act::Metadata(..)));
        self.0.calls.lock().expect("no test panics here").push(request);
        self.0.open.send_modify(|open| *open += 1);
        let frames = play(acts, Open(self.0.open.clone()));
        let mut response = Response::new(Body::new(StreamBody::new(frames)));
        response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
        for act in metadata {
            if let Act::Metadata(name, value) = act {
                response.headers_mut().append(name, HeaderValue::from_static(value));
            }
        }
        response
    }
}

fn play(acts: Vec<Act>, open: Open) -> impl Stream<Item = io::Result<Frame<Bytes>>> + Send {
    unfold((acts.into_iter(), open), |(mut acts, open)| async move {
        loop {
            let frame = match acts.next().unwrap_or(Act::Hang) {
                Act::Send(message) => Ok(Frame::data(framed(&message))),
                Act::Pause(time) => {
                    tokio::time::sleep(time).await;
                    continue;
                }
                Act::When(mut told) => {
                    let _ = told.wait_for(|told| *told).await;
                    continue;
                }
                Act::Until(moment) => {
                    tokio::time::sleep_until(moment).await;
                    continue;
                }
                Act::End => Ok(Frame::trailers(trailers(&Status::new(Code::Ok, "")))),
                Act::Fail(status) => Ok(Frame::trailers(trailers(&status))),
                Act::Trailers(lines) => Ok(Frame::trailers(lines.iter().map(header).collect())),
                Act::Tear => {
                    acts = vec![Act::Cut].into_iter();
                    Ok(Frame::data(Bytes::from_static(b"\0\0\0\0\x09torn")))
                }
                Act::Reset => Err(io::ErrorKind::ConnectionReset.into()),
                Act::Cut | Act::Metadata(..) => return None,
                Act::Panic => panic!("as the test wants it"),
                Act::Hang => std::future::pending().await,
            };
            return Some((frame, (acts, open)));
        }
    })
}

fn header((name, value): &(&'static str, &'static str)) -> (HeaderName, HeaderValue) {
    (HeaderName::from_static(name), HeaderValue::from_static(value))
}

fn framed(message: &[u8]) -> Bytes {
    [&[0][..], &(message.len() as u32).to_be_bytes(), message].concat().into()
}

fn trailers(status: &Status) -> HeaderMap {
    let mut headers = HeaderMap::new();
    status.add_header(&mut headers).expect("a status that can be a header");
    headers
}

/// A failure with the `reason` of its ErrorInfo.
pub(crate) fn failure(code: Code, reason: &str) -> Act {
    let info = ErrorInfo { reason: reason.into(), domain: "shop.test".into(), ..ErrorInfo::default() };
    failure_with(code, &reason.to_lowercase(), vec![detail("google.rpc.ErrorInfo", &info)])
}

pub(crate) fn failure_with(code: Code, message: &str, details: Vec<prost_types::Any>) -> Act {
    let rpc = RpcStatus { code: code as i32, message: message.to_owned(), details };
    Act::Fail(Status::with_details(code, message, rpc.encode_to_vec().into()))
}

/// A detail of a failure, by the full name of its type.
pub(crate) fn detail(name: &str, message: &impl Message) -> prost_types::Any {
    prost_types::Any { type_url: format!("type.googleapis.com/{name}"), value: message.encode_to_vec() }
}

/// Answers a unary call with one message.
pub(crate) fn answer(name: &str, json: Value) -> Vec<Act> {
    vec![Act::Send(message(name, json).encode_to_vec().into()), Act::End]
}

/// Sends a WatchResponse.
pub(crate) fn response(json: Value) -> Act {
    Act::Send(message("WatchResponse", json).encode_to_vec().into())
}

/// Event `number`, whose cursor is its number, after the event before.
pub(crate) fn event(number: u32) -> Act {
    event_after(number - 1, number)
}

pub(crate) fn event_after(previous: u32, number: u32) -> Act {
    response(json!({
        "cursor": number.to_string(), "previous": previous.to_string(), "type": "tick", "number": number,
    }))
}

/// A message that is none.
pub(crate) fn damaged() -> Act {
    Act::Send(b"\x08not a message".as_slice().into())
}

pub(crate) fn position(cursor: u32) -> Act {
    response(json!({ "cursor": cursor.to_string(), "position": true }))
}

pub(crate) fn pause(seconds: u64) -> Act {
    Act::Pause(Duration::from_secs(seconds))
}
