//! An edge on real sockets before a backend of `files.proto`, and a client that sees every byte.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use futures_util::stream::unfold;
use http::HeaderMap;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use lastmile_edge::app::Edge;
use lastmile_edge::config::EdgeConfig;
use lastmile_edge::schema::{Source, descriptors};
use lastmile_edge::serve;
use lastmile_edge::shutdown::Shutdown;
use lastmile_edge::upstream::Upstream;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::body::Body;
use tonic::{Code, Status};

use crate::shop::compile;

/// A hang is a failure, not a test that never ends.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the backend says of a call.
#[derive(Debug)]
pub(crate) enum Saw {
    /// A call with this `grpc-timeout`.
    Call(Option<String>),
    /// A message of the request.
    Message(Value),
    /// The request has ended.
    HalfClose,
    /// The call is over, for whatever reason.
    Over,
}

/// What the backend sends.
#[derive(Debug, Clone)]
pub(crate) enum Say {
    Message(&'static str, Value),
    Fail(Code, &'static str),
    End,
}

/// An edge and its backend. Both end with it.
pub(crate) struct Served {
    address: SocketAddr,
    saw: mpsc::UnboundedReceiver<Saw>,
    say: mpsc::UnboundedSender<Say>,
    open: watch::Receiver<usize>,
    _stop: DropGuard,
}

#[derive(Clone)]
struct Backend {
    pool: DescriptorPool,
    saw: mpsc::UnboundedSender<Saw>,
    say: Arc<tokio::sync::Mutex<mpsc::UnboundedReceiver<Say>>>,
    open: Arc<watch::Sender<usize>>,
}

impl Served {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut EdgeConfig)) -> Self {
        let files = compile(include_str!("files.proto"));
        let pool = descriptors::pool(&files).expect("a pool");
        let (saw_sender, saw) = mpsc::unbounded_channel();
        let (say, say_receiver) = mpsc::unbounded_channel();
        let open = Arc::new(watch::Sender::new(0));
        let backend = Backend {
            pool,
            saw: saw_sender,
            say: Arc::new(tokio::sync::Mutex::new(say_receiver)),
            open: Arc::clone(&open),
        };
        let mut config = EdgeConfig::default();
        config.auth.keys = "none".into();
        change(&mut config);
        let limits = config.limits.clone();
        let upstream = Upstream::from_service(tower::service_fn(move |request| {
            let backend = backend.clone();
            async move { Ok::<_, Status>(backend.respond(request).await) }
        }));
        let set: &'static [u8] = Vec::leak(descriptors::join_set(files).to_vec());
        let edge = Edge::new(config, upstream, Source::Encoded(set), None).expect("an edge");
        edge.begin().await.expect("a schema");
        let listeners = serve::bind("127.0.0.1:0").await.expect("a port");
        let address = listeners.address().expect("an address");
        let stop = CancellationToken::new();
        let shutdown = Shutdown::new(stop.clone(), Duration::ZERO);
        tokio::spawn(serve::serve(listeners, edge.router(), limits, shutdown));
        Self { address, saw, say, open: open.subscribe(), _stop: stop.drop_guard() }
    }

    /// Scripts what the backend sends, in order.
    pub(crate) fn say(&self, say: impl IntoIterator<Item = Say>) {
        for say in say {
            self.say.send(say).expect("the backend lives");
        }
    }

    /// Scripts a whole answer of one message.
    pub(crate) fn answer(&self, message: &'static str, json: Value) {
        self.say([Say::Message(message, json), Say::End]);
    }

    /// The next thing that the backend sees.
    pub(crate) async fn saw(&mut self) -> Saw {
        timeout(PATIENCE, self.saw.recv()).await.expect("the backend sees something").expect("it lives")
    }

    /// The next message of a request, whatever comes before it.
    pub(crate) async fn message(&mut self) -> Value {
        loop {
            match self.saw().await {
                Saw::Message(message) => return message,
                Saw::Call(_) => {}
                other => panic!("no message, but {other:?}"),
            }
        }
    }

    /// Everything of a call until it is over: its messages, and whether the request ended.
    pub(crate) async fn whole_call(&mut self) -> (Vec<Value>, bool) {
        let (mut messages, mut ended) = (Vec::new(), false);
        loop {
            match self.saw().await {
                Saw::Message(message) => messages.push(message),
                Saw::HalfClose => ended = true,
                Saw::Over => return (messages, ended),
                Saw::Call(_) => {}
            }
        }
    }

    /// Nothing was seen that nobody asked for.
    pub(crate) fn saw_nothing(&mut self) {
        assert!(self.saw.try_recv().is_err(), "the backend was called");
    }

    pub(crate) async fn closed(&mut self) {
        timeout(PATIENCE, self.open.wait_for(|open| *open == 0))
            .await
            .expect("the call ends")
            .expect("it lives");
    }

    pub(crate) async fn connect(&self) -> Client {
        Client {
            stream: TcpStream::connect(self.address).await.expect("a connection"),
            read: BytesMut::new(),
        }
    }

    /// One request on a connection of its own; `head` has the first line and the headers but the length of the body.
    pub(crate) async fn ask(&self, head: &str, body: impl AsRef<[u8]>) -> Answer {
        let body = body.as_ref();
        let mut client = self.connect().await;
        client
            .send(format!(
                "{head}\r\nhost: edge\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                body.len()
            ))
            .await;
        client.send(body).await;
        client.answer().await
    }
}

/// One connection.
pub(crate) struct Client {
    stream: TcpStream,
    read: BytesMut,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: String,
    pub(crate) body: Vec<u8>,
    /// The body has its end, not just the connection.
    pub(crate) is_whole: bool,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.headers.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }

    /// Its status and reason, such as `400 FIELD_INVALID`.
    pub(crate) fn problem(&self) -> String {
        format!("{} {}", self.status, self.json()["reason"].as_str().unwrap_or_default())
    }
}

impl Client {
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        // A server that has answered may read no more.
        let _ = self.stream.write_all(bytes.as_ref()).await;
    }

    /// Sends one chunk of a chunked body; an empty one ends it.
    pub(crate) async fn chunk(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        self.send([format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()).await;
    }

    async fn fill(&mut self) -> bool {
        let read = timeout(PATIENCE, self.stream.read_buf(&mut self.read)).await.expect("an answer in time");
        matches!(read, Ok(1..))
    }

    /// Reads up to and with these bytes.
    pub(crate) async fn until(&mut self, end: &[u8]) -> String {
        loop {
            if let Some(at) = self.read.windows(end.len()).position(|window| window == end) {
                let text = self.read.split_to(at + end.len());
                return String::from_utf8_lossy(&text).into_owned();
            }
            assert!(self.fill().await, "closed after {:?}", self.read);
        }
    }

    /// Everything until the connection is closed.
    pub(crate) async fn rest(&mut self) -> String {
        while self.fill().await {}
        String::from_utf8_lossy(&self.read.split()).into_owned()
    }

    /// The head of an answer.
    pub(crate) async fn head(&mut self) -> (u16, String) {
        let head = self.until(b"\r\n\r\n").await;
        (head[9..12].parse().expect("a status"), head)
    }

    /// The answer to a request that closes its connection.
    pub(crate) async fn answer(&mut self) -> Answer {
        let (status, headers) = self.head().await;
        while self.fill().await {}
        let mut body = self.read.split();
        let is_chunked = headers.to_ascii_lowercase().contains("transfer-encoding: chunked");
        let (body, is_whole) = if is_chunked { unchunked(&mut body) } else { (body.to_vec(), true) };
        Answer { status, headers, body, is_whole }
    }
}

fn unchunked(raw: &mut BytesMut) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    while let Some(at) = raw.windows(2).position(|window| window == b"\r\n") {
        let size = usize::from_str_radix(&String::from_utf8_lossy(&raw[..at]), 16).expect("a chunk size");
        raw.advance(at + 2);
        if size == 0 {
            return (body, true);
        }
        body.extend_from_slice(&raw[..size]);
        raw.advance(size + 2);
    }
    (body, false)
}

/// Tells when a call is over.
struct Open(Backend);

impl Drop for Open {
    fn drop(&mut self) {
        let _ = self.0.saw.send(Saw::Over);
        self.0.open.send_modify(|open| *open -= 1);
    }
}

impl Backend {
    async fn respond(&self, request: http::Request<Body>) -> http::Response<Body> {
        self.open.send_modify(|open| *open += 1);
        let open = Open(self.clone());
        let (head, mut body) = request.into_parts();
        let (_, name) = head.uri.path().split_once("files.v1.").expect("a method of ours");
        let timeout = head.headers.get("grpc-timeout").map(|value| value.to_str().expect("text").to_owned());
        let _ = self.saw.send(Saw::Call(timeout));
        let service = self.pool.get_service_by_name("files.v1.Files").expect("the service");
        let method = service.methods().find(|method| name.ends_with(method.name())).expect("a method");
        // Answers wait for the whole request, unless the test has already said that it fails.
        let early = self.say.try_lock().ok().and_then(|mut say| say.try_recv().ok());
        let says = VecDeque::from_iter(early);
        let mut read = BytesMut::new();
        while !matches!(says.front(), Some(Say::Fail(..))) {
            let Some(Ok(frame)) = body.frame().await else { break };
            read.extend_from_slice(frame.data_ref().expect("data"));
            while read.len() >= 5 && read.len() >= 5 + (&read[1..5]).get_u32() as usize {
                read.advance(1);
                let length = read.get_u32() as usize;
                let message =
                    DynamicMessage::decode(method.input(), read.split_to(length)).expect("a message");
                let _ = self.saw.send(Saw::Message(serde_json::to_value(message).expect("JSON")));
            }
        }
        let _ = self.saw.send(Saw::HalfClose);
        let say = Arc::clone(&self.say);
        let pool = self.pool.clone();
        let frames = unfold((says, say, pool, open), |(mut says, say, pool, open)| async move {
            let next = match says.pop_front() {
                Some(next) => Some(next),
                None => say.lock().await.recv().await,
            };
            let frame = match next? {
                Say::Message(name, json) => Frame::data(framed(&pool, name, json)),
                Say::Fail(code, message) => Frame::trailers(trailers(&Status::new(code, message))),
                Say::End => Frame::trailers(trailers(&Status::new(Code::Ok, ""))),
            };
            Some((Ok::<_, io::Error>(frame), (says, say, pool, open)))
        });
        let mut response = http::Response::new(Body::new(StreamBody::new(Box::pin(frames))));
        response.headers_mut().insert("content-type", http::HeaderValue::from_static("application/grpc"));
        response
    }
}

fn framed(pool: &DescriptorPool, name: &str, json: Value) -> Bytes {
    let descriptor = pool.get_message_by_name(name).expect("a message type");
    let message = DynamicMessage::deserialize(descriptor, json).expect("a message").encode_to_vec();
    [&[0][..], &(message.len() as u32).to_be_bytes(), &message].concat().into()
}

fn trailers(status: &Status) -> HeaderMap {
    let mut headers = HeaderMap::new();
    status.add_header(&mut headers).expect("a status that can be a header");
    headers
}
