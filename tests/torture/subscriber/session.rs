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

use crate::history::{Outcome, Seen, Told, topics};

use super::reader::{PATIENCE, Reader, is_of_token};

const METHOD: &str = "lastmile.v1.TopicService/Subscribe";
/// Messages that the edge may send ahead.
const CREDIT: u64 = 64;
const SKIPPED: [&str; 4] = ["unreadable", "too_large", "event_name", "unwritable"];

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
    /// The number of the last call.
    call: u64,
    /// What a channel stands for on this connection.
    channel: u64,
    has_opened: bool,
    used: u64,
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
            "opened" => (self.opened(reader, value), None),
            "message" => (self.message(reader, value), None),
            // Of a call that went with an older connection.
            "end" if value["call"].as_u64() != Some(self.call) => (Vec::new(), None),
            "end" => (Vec::new(), Some(self.ended(reader, value))),
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
            frames.push(self.keep(json!({ "cancel": { "call": self.call } })));
        }
        self.call += 1;
        (self.has_opened, self.used, self.channel) = (false, 0, 0);
        let topic = topics::all()[reader.history.topics[0]];
        let mut open =
            json!({ "call": self.call, "method": METHOD, "json": { "topic": topic }, "credit": CREDIT });
        if let Some(cursor) = &reader.cursor {
            open["cursor"] = json!(cursor);
        }
        frames.push(self.keep(json!({ "open": open })));
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

    fn opened(&mut self, reader: &mut Reader, opened: &Value) -> Vec<Value> {
        if opened["call"].as_u64() != Some(self.call) {
            return Vec::new();
        }
        self.has_opened = true;
        self.channel = opened["channel"].as_u64().unwrap_or_default();
        let reason = opened["reason"].as_str().unwrap_or_default().to_owned();
        if SKIPPED.contains(&reason.as_str()) {
            reader.see(Seen::Skipped { reason });
        } else {
            let outcome = match opened["outcome"].as_str() {
                Some("OUTCOME_FRESH") => Outcome::Fresh,
                Some("OUTCOME_RESUMED") => Outcome::Resumed,
                _ => Outcome::Gap(reason),
            };
            let key = topics::all()[reader.history.topics[0]].to_owned();
            reader.see(Seen::Opened(vec![Told { key, outcome }]));
        }
        stand(reader, opened);
        vec![json!({ "ack": { "received": self.received } })]
    }

    fn message(&mut self, reader: &mut Reader, message: &Value) -> Vec<Value> {
        if message["call"].as_u64().is_some_and(|call| call < self.call) {
            // Of a call that was cancelled.
            return Vec::new();
        }
        let is_own = message["call"].as_u64() == Some(self.call)
            || self.channel > 0 && message["channel"].as_u64() == Some(self.channel);
        if !is_own {
            reader.see(Seen::Malformed { what: format!("of another stream: {message}") });
            return Vec::new();
        }
        if message.get("json").is_none() {
            stand(reader, message);
            return Vec::new();
        }
        let cursor = message["cursor"].as_str().unwrap_or_default().to_owned();
        reader.event(&message["json"].to_string(), Some(&cursor));
        reader.cursor = Some(cursor);
        self.used += 1;
        if self.used < CREDIT / 2 {
            return Vec::new();
        }
        let messages = std::mem::take(&mut self.used);
        vec![self.keep(json!({ "credit": { "call": self.call, "messages": messages } }))]
    }

    fn ended(&self, reader: &mut Reader, end: &Value) -> String {
        let reason = end["details"][0]["reason"].as_str().unwrap_or_default().to_owned();
        let status = end["status"].as_u64().unwrap_or_default();
        let seen = match (status, reason.as_str(), self.has_opened) {
            (0, ..) => Seen::Ended,
            (16, _, false) => Seen::Refused { status: 401, reason: reason.clone() },
            (7, _, false) => Seen::Refused { status: 403, reason: reason.clone() },
            (4 | 14, _, false) => Seen::Refused { status: 503, reason: reason.clone() },
            (_, "ACCESS_LOST", true) => Seen::Closed { reason: "access_lost".into() },
            (16, "TOKEN_EXPIRED" | "TOKEN_REVOKED", true) => Seen::Closed { reason: reason.to_lowercase() },
            (14, "STREAM_CLOSED", true) => Seen::Closed { reason: "max_age".into() },
            (14, "DRAINING", true) => Seen::Closed { reason: "drain".into() },
            (14, _, true) => Seen::Closed { reason: "upstream_unavailable".into() },
            _ => Seen::Failed { reason: reason.clone() },
        };
        reader.see(seen);
        reason
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

/// Remembers where the stream stands.
fn stand(reader: &mut Reader, value: &Value) {
    if let Some(cursor) = value["cursor"].as_str() {
        reader.cursor = Some(cursor.to_owned());
        reader.see(Seen::Stands { token: cursor.into() });
    }
}

async fn dial(base: &str, address: &str) -> Option<WebSocketStream<TcpStream>> {
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
