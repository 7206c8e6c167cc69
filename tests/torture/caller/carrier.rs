//! What carries a session of a caller: a WebSocket, or an event stream with requests beside it.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use lastmile_tests::SseParser;
use reqwest::Response;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::subscriber::{PATIENCE, Reader, dial};

/// A WebSocket that is asked for a sign of life has this long.
const ANSWER: Duration = Duration::from_secs(6);
/// An event stream says that it is alive every 15 s.
const SILENCE: Duration = Duration::from_secs(20);

/// One connection.
pub(crate) enum Carrier {
    Socket(Box<WebSocketStream<TcpStream>>),
    Leg(Box<Leg>),
}

/// An event stream, and what of it was read and not heard.
pub(crate) struct Leg {
    base: String,
    response: Response,
    parser: SseParser,
    frames: VecDeque<Value>,
}

/// How a connection is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Socket,
    Leg,
}

/// How an attempt to connect ended, where nobody answers by frames.
#[derive(Debug)]
pub(crate) enum Failed {
    Cut,
    /// The reason of a refusal.
    Refused(String),
}

impl Carrier {
    /// Connects to an edge and says hello; what it says to that is heard next.
    pub(crate) async fn connect(
        reader: &Reader,
        base: &str,
        way: Way,
        hello: &Value,
    ) -> Result<Self, Failed> {
        match way {
            Way::Socket => {
                let socket = timeout(PATIENCE, dial(base, &reader.address)).await.ok().flatten();
                let mut carrier = Self::Socket(Box::new(socket.ok_or(Failed::Cut)?));
                let mut hello = hello.clone();
                if hello.get("ticket").is_none()
                    && let Some(token) = reader.credential.token()
                {
                    hello["token"] = json!(token);
                }
                carrier.write(&json!({ "hello": hello })).await.ok_or(Failed::Cut)?;
                Ok(carrier)
            }
            Way::Leg => {
                let text = |name: &str| hello[name].as_str().unwrap_or_default().to_owned();
                let url = format!(
                    "{base}/stream?fallback=1&received={}&{}={}",
                    hello["received"],
                    if hello.get("ticket").is_some() { "ticket" } else { "session" },
                    text("ticket") + &text("session"),
                );
                let request = reader.get(&url).header("accept", "text/event-stream");
                let response = timeout(PATIENCE, request.send()).await.map_err(|_| Failed::Cut)?;
                let response = response.map_err(|_| Failed::Cut)?;
                if response.status() != 200 {
                    let problem: Value =
                        timeout(PATIENCE, response.json()).await.unwrap_or(Ok(json!({}))).unwrap_or_default();
                    return Err(Failed::Refused(problem["reason"].as_str().unwrap_or_default().to_owned()));
                }
                let (parser, frames) = (SseParser::default(), VecDeque::new());
                Ok(Self::Leg(Box::new(Leg { base: base.to_owned(), response, parser, frames })))
            }
        }
    }

    /// The next frame; none when the connection is gone. May be dropped at any time: nothing is lost.
    pub(crate) async fn hear(&mut self) -> Option<Value> {
        match self {
            Self::Socket(socket) => loop {
                match socket.next().await?.ok()? {
                    Message::Text(text) => return serde_json::from_str(&text).ok(),
                    Message::Close(_) => return None,
                    _ => {}
                }
            },
            Self::Leg(leg) => loop {
                if let Some(frame) = leg.frames.pop_front() {
                    return Some(frame);
                }
                let bytes = leg.response.chunk().await.ok()??;
                for block in leg.parser.push(&bytes) {
                    let data = block.data.as_deref().and_then(|data| serde_json::from_str(data).ok());
                    leg.frames.extend(data);
                }
            },
        }
    }

    /// How long it may be silent before it is taken for dead.
    pub(crate) fn patience(&self) -> Duration {
        match self {
            Self::Socket(_) => ANSWER,
            Self::Leg(_) => SILENCE,
        }
    }

    /// Sends frames; `first` is the number of the first counted one. None when they may not have arrived.
    pub(crate) async fn send(
        &mut self,
        reader: &Reader,
        session: &str,
        first: u64,
        frames: &[Value],
    ) -> Option<()> {
        let Self::Leg(leg) = self else {
            for frame in frames {
                self.write(frame).await?;
            }
            return Some(());
        };
        // Frames that have arrived are passed over: so it is sent again.
        let url = format!("{}/stream/{session}?first={first}", leg.base);
        for _ in 0..3 {
            let request = reader.client.post(&url).header("x-forwarded-for", &reader.address).json(frames);
            let sent = timeout(PATIENCE, reader.credential.sign(request).send()).await;
            if let Ok(Ok(response)) = sent {
                return (response.status() == 200).then_some(());
            }
        }
        None
    }

    async fn write(&mut self, frame: &Value) -> Option<()> {
        let Self::Socket(socket) = self else { return None };
        socket.send(Message::text(frame.to_string())).await.ok()
    }
}

/// Asks for a ticket that moves the session to another page load.
pub(crate) async fn ask_to_move(reader: &Reader, base: &str, session: &str) -> Result<String, Failed> {
    let request =
        reader.client.post(format!("{base}/hmr/migrate")).header("x-forwarded-for", &reader.address);
    let request = reader.credential.sign(request.header("x-vite-hmr-id", session));
    let answer =
        timeout(PATIENCE, request.send()).await.map_err(|_| Failed::Cut)?.map_err(|_| Failed::Cut)?;
    let json = timeout(PATIENCE, answer.json::<Value>()).await.map_err(|_| Failed::Cut)?;
    let json = json.map_err(|_| Failed::Cut)?;
    match json["ticket"].as_str() {
        Some(ticket) => Ok(ticket.to_owned()),
        None => Err(Failed::Refused(json["reason"].as_str().unwrap_or_default().to_owned())),
    }
}
