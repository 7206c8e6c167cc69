//! A client of sessions: one stream by WebSocket or by its event-stream leg, from connection to connection as chance has it.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use lastmile_tests::SseParser;
use rand::Rng;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::history::Seen;

use super::call::StreamCall;
use super::reader::{PATIENCE, Reader, is_of_token};

/// What a client keeps of its session from connection to connection.
#[derive(Default)]
struct Session {
    name: String,
    /// Counted frames that it has had.
    received: u64,
    /// Counted frames that the edge has not acknowledged; a number stands for the same frame for ever.
    kept: VecDeque<Value>,
    /// The number of the last counted frame that was acknowledged.
    acked: u64,
    stream: StreamCall,
}

/// Connects, again and again, for ever.
pub(super) async fn attend(reader: &mut Reader) {
    let mut session = Session::default();
    loop {
        while reader.credential.is_missing() && !reader.renew().await {
            reader.pause(Duration::from_millis(300)).await;
        }
        let by_socket = reader.random.random_bool(0.7);
        let ended = match by_socket {
            true => by_websocket(reader, &mut session).await,
            false => by_leg(reader, &mut session).await,
        };
        match ended {
            Some(reason) if is_of_token(&reason) => _ = reader.renew().await,
            Some(_) => {}
            None => reader.see(Seen::Cut),
        }
        reader.pause(Duration::from_millis(300)).await;
        reader.nap().await;
    }
}

/// One WebSocket to its end: why, where that was said.
async fn by_websocket(reader: &mut Reader, session: &mut Session) -> Option<String> {
    let (edge, base) = reader.edge();
    reader.see(Seen::Asked { edge, cursor: reader.cursor.as_deref().map(Into::into) });
    let mut socket = timeout(PATIENCE, dial(&base, &reader.address)).await.ok().flatten()?;
    let mut hello = json!({ "session": session.name, "received": session.received });
    if let Some(token) = reader.credential.token() {
        hello["token"] = json!(token);
    }
    say(&mut socket, &json!({ "hello": hello })).await?;
    hello["session"] = json!("");
    loop {
        let message = timeout(reader.watchdog(), socket.next()).await.ok()??.ok()?;
        let text = match message {
            Message::Text(text) => text,
            Message::Close(_) => return Some("closed".into()),
            _ => continue,
        };
        let frame: Value = serde_json::from_str(&text).ok()?;
        let (answers, ended) = session.take(reader, &frame);
        for answer in answers {
            say(&mut socket, &answer).await?;
        }
        if ended.as_deref() == Some("session_unknown") {
            // Another edge, or too late: a new session, on the same connection.
            say(&mut socket, &json!({ "hello": hello })).await?;
            continue;
        }
        if ended.is_some() {
            return ended;
        }
    }
}

/// One event stream to its end.
async fn by_leg(reader: &mut Reader, session: &mut Session) -> Option<String> {
    let (edge, base) = reader.edge();
    reader.see(Seen::Asked { edge, cursor: reader.cursor.as_deref().map(Into::into) });
    let url = format!("{base}/stream?fallback=1&session={}&received={}", session.name, session.received);
    let request = reader.get(&url).header("accept", "text/event-stream").header("x-requested-with", "fetch");
    let response = timeout(PATIENCE, request.send()).await.ok()?.ok()?;
    if response.status() != 200 {
        let (_, reason) = reader.refused(response).await;
        return Some(reason);
    }
    let (mut response, mut parser) = (response, SseParser::default());
    loop {
        let bytes = timeout(reader.watchdog(), response.chunk()).await.ok()?.ok()??;
        for block in parser.push(&bytes) {
            let Some(data) = &block.data else { continue };
            if block.name() == "lm-close" {
                let closed: Value = serde_json::from_str(data).unwrap_or_default();
                let reason = closed["reason"].as_str().unwrap_or_default().to_owned();
                reader.see(Seen::Closed { reason: reason.clone() });
                return Some(reason);
            }
            let frame: Value = serde_json::from_str(data).ok()?;
            let (answers, ended) = session.take(reader, &frame);
            let counted = answers.iter().filter(|answer| answer.get("ack").is_none()).count();
            let first = session.acked + 1 + (session.kept.len() - counted) as u64;
            if !answers.is_empty() {
                post(reader, &base, session, first, &answers).await?;
            }
            if ended.is_some() {
                return ended;
            }
        }
    }
}

/// Sends frames beside the event stream, again if need be: that does no harm.
async fn post(reader: &Reader, base: &str, session: &Session, first: u64, frames: &[Value]) -> Option<()> {
    let url = format!("{base}/stream/{}?first={first}", session.name);
    for _ in 0..3 {
        let request = reader.client.post(&url).header("x-forwarded-for", &reader.address).json(frames);
        let sent = timeout(PATIENCE, reader.credential.sign(request).send()).await;
        if let Ok(Ok(response)) = sent {
            return (response.status() == 200).then_some(());
        }
    }
    None
}

impl Session {
    /// Takes a frame of the edge: what to answer, and why the connection is of no more use.
    fn take(&mut self, reader: &mut Reader, frame: &Value) -> (Vec<Value>, Option<String>) {
        let Some((name, value)) = frame.as_object().and_then(|frame| frame.iter().next()) else {
            reader.see(Seen::Malformed { what: frame.to_string() });
            return (Vec::new(), Some("malformed".into()));
        };
        let is_counted = matches!(name.as_str(), "opened" | "end" | "credit")
            || name == "message" && value.get("cursor").is_none();
        self.received += u64::from(is_counted);
        match name.as_str() {
            "ready" => (self.ready(reader, value), None),
            "opened" if self.stream.opened(reader, value) => {
                (vec![json!({ "ack": { "received": self.received } })], None)
            }
            "message" => {
                let credit = self.stream.message(reader, value);
                (credit.map(|credit| self.keep(credit)).into_iter().collect(), None)
            }
            // Of a call that went with an older connection.
            "end" if value["call"].as_u64() != Some(self.stream.call) => (Vec::new(), None),
            "end" => (Vec::new(), Some(self.stream.ended(reader, value))),
            "ack" => {
                self.acknowledged(value["received"].as_u64().unwrap_or_default());
                (Vec::new(), None)
            }
            "goaway" => self.goaway(reader, value),
            _ => (Vec::new(), None),
        }
    }

    /// The edge has what was sent, or will not get it any more: the stream is opened anew where it stands.
    fn ready(&mut self, reader: &Reader, ready: &Value) -> Vec<Value> {
        let name = ready["session"].as_str().unwrap_or_default();
        if name != self.name {
            *self = Self { name: name.to_owned(), ..Self::default() };
        }
        self.acknowledged(ready["received"].as_u64().unwrap_or_default());
        let mut frames: Vec<Value> = self.kept.iter().cloned().collect();
        if !frames.is_empty() {
            // Its `open` may come to the edge only now, when nobody reads it any more.
            frames.push(self.keep(json!({ "cancel": { "call": self.stream.call } })));
        }
        let (stream, open) = StreamCall::open(self.stream.call + 1, reader);
        self.stream = stream;
        frames.push(self.keep(open));
        frames
    }

    fn keep(&mut self, frame: Value) -> Value {
        self.kept.push_back(frame.clone());
        frame
    }

    fn acknowledged(&mut self, received: u64) {
        while self.acked < received && self.kept.pop_front().is_some() {
            self.acked += 1;
        }
    }

    fn goaway(&mut self, reader: &mut Reader, goaway: &Value) -> (Vec<Value>, Option<String>) {
        let reason = goaway["reason"].as_str().unwrap_or_default().to_owned();
        match reason.as_str() {
            "session_unknown" => {
                *self = Self::default();
                (Vec::new(), Some(reason))
            }
            "TOKEN_EXPIRED" | "TOKEN_REVOKED" => {
                reader.see(Seen::Closed { reason: reason.to_lowercase() });
                (Vec::new(), Some(reason))
            }
            "drain" | "SCHEMA_UNAVAILABLE" | "KEYS_UNAVAILABLE" | "ISSUER_UNKNOWN" => {
                reader.see(Seen::Closed { reason: "drain".into() });
                (Vec::new(), Some(reason))
            }
            "session_silent" | "session_superseded" | "session_overload" => (Vec::new(), Some(reason)),
            _ => {
                reader.see(Seen::Malformed { what: format!("goaway: {reason}") });
                (Vec::new(), Some(reason))
            }
        }
    }
}

/// Opens a WebSocket to an edge, as the client of an address.
pub(crate) async fn dial(base: &str, address: &str) -> Option<WebSocketStream<TcpStream>> {
    let host = base.trim_start_matches("http://");
    let mut request = format!("ws://{host}/ws").into_client_request().ok()?;
    request.headers_mut().insert("x-forwarded-for", address.parse().ok()?);
    request.headers_mut().insert("sec-websocket-protocol", "lastmile.v1.json".parse().ok()?);
    let stream = TcpStream::connect(host).await.ok()?;
    client_async(request, stream).await.ok().map(|(socket, _)| socket)
}

async fn say(socket: &mut WebSocketStream<TcpStream>, frame: &Value) -> Option<()> {
    socket.send(Message::text(frame.to_string())).await.ok()
}
