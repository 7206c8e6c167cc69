//! A session as a client of another hand keeps it: by WebSocket or by its event-stream leg, over cuts.

use std::collections::VecDeque;
use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use reqwest::{Client, Response};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::patience::soon;
use crate::sse::SseParser;

/// What carries a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    WebSocket,
    EventStream,
}

/// A session and the connection that it has now.
#[derive(Debug)]
pub struct Session {
    address: SocketAddr,
    token: Option<String>,
    name: String,
    connection: Option<Connection>,
    client: Client,
    /// Counted frames that were had.
    received: u64,
    /// Counted frames that the edge may not have, and the number of the first of them.
    kept: VecDeque<Value>,
    first: u64,
    call: u64,
}

#[derive(Debug)]
enum Connection {
    Socket(Box<WebSocketStream<TcpStream>>),
    Stream(Box<EventStream>),
}

#[derive(Debug)]
struct EventStream {
    response: Response,
    parser: SseParser,
    /// Those that were read and not heard.
    frames: VecDeque<Value>,
}

impl Session {
    /// A new session, of whoever the token names.
    pub async fn begin(address: SocketAddr, carrier: Carrier, token: Option<&str>) -> Self {
        // A connection for each request: those that are kept may have been cut.
        let client = Client::builder().no_proxy().http1_only().pool_max_idle_per_host(0).build();
        let client = client.expect("an HTTP client");
        let mut session = Self {
            address,
            token: token.map(String::from),
            name: String::new(),
            connection: None,
            client,
            received: 0,
            kept: VecDeque::new(),
            first: 1,
            call: 0,
        };
        session.go_on(address, carrier).await;
        session
    }

    /// The connection breaks, with all that is on its way.
    pub fn cut(&mut self) {
        self.connection = None;
    }

    /// Goes on by a new connection: sends again what the edge has not had.
    ///
    /// # Panics
    /// When the edge does not know the session.
    pub async fn go_on(&mut self, address: SocketAddr, carrier: Carrier) {
        self.address = address;
        self.connection = Some(self.connect(carrier).await);
        let ready = soon("`ready`", self.read()).await;
        let name = ready["ready"]["session"].as_str().unwrap_or_else(|| panic!("not ready: {ready}"));
        assert!(self.name.is_empty() || self.name == name, "another session: {ready}");
        self.name = name.to_owned();
        self.acknowledged(ready["ready"]["received"].as_u64().unwrap_or_default());
        let kept: Vec<Value> = self.kept.iter().cloned().collect();
        self.write(self.first, &kept).await;
    }

    async fn connect(&self, carrier: Carrier) -> Connection {
        let address = self.address;
        if carrier == Carrier::EventStream {
            let url = format!(
                "http://{address}/stream?fallback=1&session={}&received={}",
                self.name, self.received
            );
            let request = self.client.get(url).header("accept", "text/event-stream");
            let request = match &self.token {
                Some(token) => request.bearer_auth(token),
                None => request,
            };
            let response = soon("an event stream", request.send()).await.expect("an answer");
            assert_eq!(response.status(), 200, "{response:?}");
            let (parser, frames) = (SseParser::default(), VecDeque::new());
            return Connection::Stream(Box::new(EventStream { response, parser, frames }));
        }
        let mut request = format!("ws://{address}/ws").into_client_request().expect("a request");
        request.headers_mut().insert("sec-websocket-protocol", "lastmile.v1.json".parse().expect("a value"));
        let stream = TcpStream::connect(address).await.expect("a connection");
        stream.set_nodelay(true).expect("a socket");
        let (mut socket, _) = soon("a handshake", client_async(request, stream)).await.expect("a WebSocket");
        let mut hello = json!({ "session": self.name, "received": self.received });
        if let Some(token) = &self.token {
            hello["token"] = json!(token);
        }
        let hello = json!({ "hello": hello }).to_string();
        socket.send(Message::text(hello)).await.expect("a connection that takes it");
        Connection::Socket(Box::new(socket))
    }

    /// Opens a call; gives its number.
    pub async fn open(&mut self, method: &str, mut open: Value) -> u64 {
        self.call += 1;
        (open["call"], open["method"]) = (json!(self.call), json!(method));
        self.say(json!({ "open": open })).await;
        self.call
    }

    /// Makes a unary call: its answer, or its end.
    pub async fn call(&mut self, method: &str, request: Value) -> Result<Value, Value> {
        let call = self.open(method, json!({ "json": request })).await;
        let first = self.hear().await;
        if first.get("end").is_some() {
            return Err(first["end"].clone());
        }
        assert_eq!(first["message"]["call"], call, "{first}");
        let end = self.hear().await;
        assert_eq!(end["end"]["call"], call, "{end}");
        Ok(first["message"]["json"].clone())
    }

    /// Sends a frame about a call.
    pub async fn say(&mut self, frame: Value) {
        self.kept.push_back(frame.clone());
        let number = self.first + self.kept.len() as u64 - 1;
        self.write(number, &[frame]).await;
    }

    /// Says which frames were had.
    pub async fn acknowledge(&mut self) {
        let next = self.first + self.kept.len() as u64;
        self.write(next, &[json!({ "ack": { "received": self.received } })]).await;
    }

    /// The next frame about a call.
    ///
    /// # Panics
    /// When the connection is gone.
    pub async fn hear(&mut self) -> Value {
        loop {
            let frame = soon("a frame about a call", self.read()).await;
            let is_counted = frame.get("opened").or(frame.get("end")).or(frame.get("credit")).is_some()
                || frame.get("message").is_some_and(|message| message.get("cursor").is_none());
            self.received += u64::from(is_counted);
            if is_counted || frame.get("message").is_some() {
                return frame;
            }
            assert!(frame.get("goaway").is_none(), "{frame}");
            if let Some(received) = frame["ack"]["received"].as_u64() {
                self.acknowledged(received);
            }
        }
    }

    fn acknowledged(&mut self, received: u64) {
        while self.first <= received {
            self.kept.pop_front().expect("no more than was sent");
            self.first += 1;
        }
    }

    async fn read(&mut self) -> Value {
        match self.connection.as_mut().expect("a connection") {
            Connection::Socket(socket) => loop {
                match socket.next().await {
                    Some(Ok(Message::Text(text))) => {
                        return serde_json::from_str(&text).expect("JSON");
                    }
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    other => panic!("the connection is gone: {other:?}"),
                }
            },
            Connection::Stream(stream) => loop {
                if let Some(frame) = stream.frames.pop_front() {
                    return frame;
                }
                let bytes = stream.response.chunk().await.expect("a whole body");
                for block in stream.parser.push(&bytes.expect("a stream that goes on")) {
                    stream
                        .frames
                        .extend(block.data.as_deref().map(|data| serde_json::from_str(data).expect("JSON")));
                }
            },
        }
    }

    /// Sends frames, the first counted one of which has this number.
    async fn write(&mut self, first: u64, frames: &[Value]) {
        if frames.is_empty() {
            return;
        }
        match self.connection.as_mut().expect("a connection") {
            Connection::Socket(socket) => {
                for frame in frames {
                    socket.feed(Message::text(frame.to_string())).await.expect("a connection that takes it");
                }
                socket.flush().await.expect("a connection that takes it");
            }
            Connection::Stream(_) => {
                let url = format!("http://{}/stream/{}?first={first}", self.address, self.name);
                let request = self.client.post(&url).json(frames);
                let request = match &self.token {
                    Some(token) => request.bearer_auth(token),
                    None => request,
                };
                let answer = soon("an answer", request.send()).await.expect("an answer");
                assert_eq!(answer.status(), 200, "{answer:?}");
            }
        }
    }
}
