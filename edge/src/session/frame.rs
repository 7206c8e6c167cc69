//! What the frames of a session say (`lastmile/edge/v1/session.proto`), apart from how they are written.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::error::Detail;

/// How the payloads of a call are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    Json,
    Proto,
}

/// A message inside a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// The text of one JSON value.
    Json(Bytes),
    Proto(Bytes),
}

/// A frame from browser to edge.
#[derive(Debug, Clone, PartialEq)]
pub enum ClientFrame {
    Hello(Hello),
    Open(Open),
    Send { call: u32, payload: Option<Payload> },
    HalfClose { call: u32 },
    Cancel { call: u32 },
    Credit { call: u32, messages: u32 },
    Auth { token: String },
    Ack { received: u32 },
    Ping,
}

/// A frame from edge to browser.
#[derive(Debug, Clone, PartialEq)]
pub enum ServerFrame {
    Ready(Ready),
    Opened(Opened),
    Message(Message),
    End(End),
    AuthExpiring { expires_ms: u32 },
    Authed { expires_ms: u32 },
    Goaway { reconnect_ms: u32, fallback: &'static str, reason: String },
    Pong,
    Credit { call: u32, messages: u32 },
    Ack { received: u32 },
}

/// First frame of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hello {
    pub credential: Option<Credential>,
    /// Empty for a new session.
    pub session: String,
    pub received: u32,
    pub traceparent: String,
}

/// Who says hello.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    Token(String),
    Ticket(String),
}

/// Opens a call.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Open {
    pub call: u32,
    pub method: String,
    pub payload: Option<Payload>,
    pub cursor: String,
    pub credit: u32,
    /// `None`: as the connection.
    pub encoding: Option<Encoding>,
    pub timeout_ms: u32,
    /// Of this call, beside those of the connection.
    pub headers: BTreeMap<String, String>,
}

/// Answers hello.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    pub session: String,
    pub received: u32,
    pub heartbeat_ms: u32,
    pub resume_ms: u32,
}

/// What became of the cursor a stream was opened with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenOutcome {
    /// The call has no cursor.
    None,
    Fresh,
    Resumed,
    Gap,
}

/// Answers open; in the middle of a stream, tells of a gap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    pub call: u32,
    /// 0: its messages name the call.
    pub channel: u32,
    pub outcome: OpenOutcome,
    pub reason: String,
    pub cursor: String,
}

/// Where a message belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    Call(u32),
    Channel(u32),
}

/// Carries a message; without payload, only the cursor moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub target: Target,
    pub cursor: String,
    pub event: String,
    pub payload: Option<Payload>,
}

/// Ends a call.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct End {
    pub call: u32,
    /// A gRPC status code.
    pub status: u32,
    pub message: String,
    pub details: Vec<Detail>,
    pub trailers: BTreeMap<String, String>,
}

impl Payload {
    pub fn bytes(&self) -> &Bytes {
        match self {
            Self::Json(bytes) | Self::Proto(bytes) => bytes,
        }
    }
}

impl ClientFrame {
    /// Whether both sides count it: what is about a call is; what is about the connection is not.
    pub fn is_counted(&self) -> bool {
        match self {
            Self::Open(_)
            | Self::Send { .. }
            | Self::HalfClose { .. }
            | Self::Cancel { .. }
            | Self::Credit { .. } => true,
            Self::Hello(_) | Self::Auth { .. } | Self::Ack { .. } | Self::Ping => false,
        }
    }
}

impl ServerFrame {
    /// Whether both sides count it. A message with a cursor is not: it comes again by its cursor.
    pub fn is_counted(&self) -> bool {
        match self {
            Self::Opened(_) | Self::End(_) | Self::Credit { .. } => true,
            Self::Message(message) => message.cursor.is_empty(),
            Self::Ready(_)
            | Self::AuthExpiring { .. }
            | Self::Authed { .. }
            | Self::Goaway { .. }
            | Self::Pong
            | Self::Ack { .. } => false,
        }
    }

    /// Bytes that it holds, about.
    pub fn weight(&self) -> usize {
        const FRAME: usize = 64;
        FRAME
            + match self {
                Self::Message(message) => {
                    message.payload.as_ref().map_or(0, |payload| payload.bytes().len()) + message.event.len()
                }
                Self::End(end) => {
                    let details: usize = end.details.iter().map(|detail| 2 * detail.value.len() + 128).sum();
                    let trailers: usize =
                        end.trailers.iter().map(|(name, value)| name.len() + value.len() + 64).sum();
                    end.message.len() + details + trailers
                }
                Self::Opened(opened) => opened.cursor.len() + opened.reason.len(),
                _ => 0,
            }
    }
}
