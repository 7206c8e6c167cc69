//! A client of sessions, written from the text of the protocol in ARCHITECTURE.md, over the WebSockets of another library.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};

/// Nothing takes so long.
const PATIENCE: Duration = Duration::from_secs(20);

/// A session, and the connection that it has now.
pub(crate) struct Client {
    address: SocketAddr,
    socket: Option<WebSocketStream<TcpStream>>,
    pub(crate) session: String,
    /// Counted frames that were had.
    pub(crate) received: u64,
    /// Counted frames that were sent and not acknowledged, and the number of the first of them.
    kept: VecDeque<Value>,
    first: u64,
    last_call: u64,
    /// The call that a channel stands for.
    channels: HashMap<u64, u64>,
    /// What `ready` said last.
    pub(crate) ready: Value,
}

/// Opens a WebSocket.
pub(crate) async fn dial(address: SocketAddr, headers: &[(&str, &str)]) -> WebSocketStream<TcpStream> {
    try_dial(address, headers).await.expect("a handshake")
}

/// The same, or the status of the refusal.
pub(crate) async fn try_dial(
    address: SocketAddr,
    headers: &[(&str, &str)],
) -> Result<WebSocketStream<TcpStream>, u16> {
    let mut request = format!("ws://{address}/ws").into_client_request().expect("a request");
    for (name, value) in headers {
        let name: http::HeaderName = name.parse().expect("a name");
        request.headers_mut().insert(name, value.parse().expect("a value"));
    }
    let given = request.headers_mut();
    given.entry("sec-websocket-protocol").or_insert("lastmile.v1.json".parse().expect("a value"));
    let stream = TcpStream::connect(address).await.expect("a connection");
    shake(request, stream).await
}

/// A WebSocket whose system takes little before it is read.
pub(crate) async fn dial_narrowly(address: SocketAddr) -> WebSocketStream<TcpStream> {
    let mut request = format!("ws://{address}/ws").into_client_request().expect("a request");
    request.headers_mut().insert("sec-websocket-protocol", "lastmile.v1.json".parse().expect("a value"));
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a socket");
    let stream = socket.connect(address).await.expect("a connection");
    shake(request, stream).await.expect("a handshake")
}

async fn shake(request: http::Request<()>, stream: TcpStream) -> Result<WebSocketStream<TcpStream>, u16> {
    match timeout(PATIENCE, client_async(request, stream)).await.expect("an answer") {
        Ok((socket, _)) => Ok(socket),
        Err(tokio_tungstenite::tungstenite::Error::Http(response)) => Err(response.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

impl Client {
    /// The same for the client of another address, where the edge believes that.
    pub(crate) async fn begin_from(address: SocketAddr, from: &str) -> Self {
        let mut client = Self::new(address, dial(address, &[("x-forwarded-for", from)]).await);
        client.say(json!({ "hello": {} })).await;
        client.be_ready().await;
        client
    }

    /// A new session; `hello` is what the frame says.
    pub(crate) async fn begin(address: SocketAddr, hello: Value) -> Self {
        let mut client = Self::new(address, dial(address, &[]).await);
        client.say(json!({ "hello": hello })).await;
        client.be_ready().await;
        client
    }

    /// A client that has not said hello.
    pub(crate) fn new(address: SocketAddr, socket: WebSocketStream<TcpStream>) -> Self {
        Self {
            address,
            socket: Some(socket),
            session: String::new(),
            received: 0,
            kept: VecDeque::new(),
            first: 1,
            last_call: 0,
            channels: HashMap::new(),
            ready: Value::Null,
        }
    }

    /// Waits for `ready`.
    pub(crate) async fn be_ready(&mut self) {
        let frame = self.hear().await;
        self.ready = frame["ready"].clone();
        self.session =
            self.ready["session"].as_str().unwrap_or_else(|| panic!("no session: {frame}")).to_owned();
    }

    pub(crate) async fn say(&mut self, frame: Value) {
        let name = frame.as_object().and_then(|frame| frame.keys().next().cloned()).expect("a frame");
        if matches!(name.as_str(), "open" | "send" | "halfClose" | "cancel" | "credit") {
            self.kept.push_back(frame.clone());
        }
        self.write(Message::text(frame.to_string())).await;
    }

    /// Writes anything at all.
    pub(crate) async fn write(&mut self, message: Message) {
        let socket = self.socket.as_mut().expect("a connection");
        socket.send(message).await.expect("a connection that takes it");
    }

    /// Opens a call; gives its number.
    pub(crate) async fn open(&mut self, method: &str, mut open: Value) -> u64 {
        self.last_call += 1;
        open["call"] = json!(self.last_call);
        open["method"] = json!(method);
        self.say(json!({ "open": open })).await;
        self.last_call
    }

    /// Makes a unary call: what it is answered, or its end.
    pub(crate) async fn call(&mut self, method: &str, request: Value) -> Result<Value, Value> {
        let call = self.open(method, json!({ "json": request })).await;
        let first = self.hear().await;
        if !first["end"].is_null() {
            return Err(first["end"].clone());
        }
        assert_eq!(first["message"]["call"], call, "{first}");
        let end = self.hear().await;
        assert_eq!((&end["end"]["call"], &end["end"]["status"]), (&json!(call), &Value::Null), "{end}");
        Ok(first["message"]["json"].clone())
    }

    /// The next frame about a call, or one that asks for something. Messages of channels name their call.
    pub(crate) async fn hear(&mut self) -> Value {
        loop {
            let mut frame = match self.read().await {
                Ok(frame) => frame,
                Err(code) => panic!("the connection was closed with {code}"),
            };
            let is_counted = frame.get("opened").or(frame.get("end")).or(frame.get("credit")).is_some()
                || frame.get("message").is_some_and(|message| message.get("cursor").is_none());
            self.received += u64::from(is_counted);
            if let Some(received) = frame["ack"]["received"].as_u64() {
                self.acked(received);
            } else if frame.get("pong").is_none() {
                let opened = &frame["opened"];
                if let (Some(channel), Some(call)) = (opened["channel"].as_u64(), opened["call"].as_u64()) {
                    self.channels.insert(channel, call);
                }
                if let Some(channel) = frame["message"]["channel"].as_u64() {
                    frame["message"]["call"] = json!(self.channels[&channel]);
                }
                return frame;
            }
        }
    }

    fn acked(&mut self, received: u64) {
        while self.first <= received {
            self.kept.pop_front().expect("no more than was sent");
            self.first += 1;
        }
    }

    /// One frame as it comes; the code when the connection is closed, 0 where it just ends.
    pub(crate) async fn read(&mut self) -> Result<Value, u16> {
        let socket = self.socket.as_mut().expect("a connection");
        loop {
            match timeout(PATIENCE, socket.next()).await.expect("a frame in time") {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).expect("JSON")),
                Some(Ok(Message::Close(close))) => return Err(close.map_or(1005, |close| close.code.into())),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(0),
            }
        }
    }

    /// Why the connection is closed: the reason of `goaway`, and the code.
    pub(crate) async fn closed(&mut self) -> (String, u16) {
        let mut reason = String::new();
        loop {
            match self.read().await {
                Ok(frame) => {
                    if let Some(given) = frame["goaway"]["reason"].as_str() {
                        given.clone_into(&mut reason);
                    }
                }
                Err(code) => return (reason, code),
            }
        }
    }

    /// The same of a connection whose frames are protobuf.
    pub(crate) async fn closed_in_binary(&mut self) -> (String, u16) {
        use lastmile_proto::edge::v1::{ServerFrame, server_frame::Frame};
        use prost::Message as _;
        let socket = self.socket.as_mut().expect("a connection");
        let mut reason = String::new();
        loop {
            match timeout(PATIENCE, socket.next()).await.expect("a frame in time") {
                Some(Ok(Message::Binary(bytes))) => {
                    let frame = ServerFrame::decode(bytes).expect("a frame").frame;
                    if let Some(Frame::Goaway(goaway)) = frame {
                        reason = goaway.reason;
                    }
                }
                Some(Ok(Message::Close(close))) => {
                    return (reason, close.map_or(1005, |close| close.code.into()));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return (reason, 0),
            }
        }
    }

    pub(crate) async fn ack(&mut self) {
        self.say(json!({ "ack": { "received": self.received } })).await;
    }

    /// The connection breaks, with all that is on its way.
    pub(crate) fn cut(&mut self) {
        self.socket = None;
    }

    /// Closes the connection with a code.
    pub(crate) async fn close(&mut self, code: u16) {
        use tokio_tungstenite::tungstenite::protocol::CloseFrame;
        let socket = self.socket.as_mut().expect("a connection");
        let close = CloseFrame { code: code.into(), reason: "".into() };
        socket.close(Some(close)).await.expect("a connection that takes it");
    }

    /// Goes on by a new connection: gives `ready`, sends what the edge has not had.
    pub(crate) async fn resume(&mut self, mut hello: Value) {
        self.socket = Some(dial(self.address, &[]).await);
        self.channels.clear();
        hello["session"] = json!(self.session);
        hello["received"] = json!(self.received);
        self.say(json!({ "hello": hello })).await;
        let frame = self.hear().await;
        assert_eq!(frame["ready"]["session"], json!(self.session), "{frame}");
        self.ready = frame["ready"].clone();
        self.acked(self.ready["received"].as_u64().unwrap_or_default());
        for frame in self.kept.clone() {
            self.write(Message::text(frame.to_string())).await;
        }
    }
}
