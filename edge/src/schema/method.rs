//! A method of the backend with everything that was declared about it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::uri::PathAndQuery;
use prost_reflect::{FieldDescriptor, MessageDescriptor, MethodDescriptor, OneofDescriptor};

use super::field::FieldPath;
use super::header_fields::HeaderFields;
use super::plan::{MessageId, Plan};

/// Services that are there for other programs than browsers.
const FOR_PROGRAMS: [&str; 2] = ["grpc.", "lastmile.edge."];

/// A method and its rules, checked and resolved.
#[derive(Debug, Clone)]
pub struct Method {
    pub descriptor: MethodDescriptor,
    /// `/package.Service/Method`.
    pub path: PathAndQuery,
    /// The types of the backend, and among them those of requests and answers.
    pub plan: Arc<Plan>,
    pub input: MessageId,
    pub output: MessageId,
    pub effects: Effects,
    /// Set for server-streaming methods.
    pub stream: Option<Stream>,
    pub auth: Auth,
}

impl Method {
    /// Whether browsers have no use for it: health checks, reflection, keys.
    pub fn is_for_programs(&self) -> bool {
        FOR_PROGRAMS.iter().any(|prefix| self.name().starts_with(prefix))
    }

    /// `package.Service/Method`.
    pub fn name(&self) -> &str {
        self.path.as_str().trim_start_matches('/')
    }

    /// Whether it is a stream that resumes by cursor.
    pub fn is_durable(&self) -> bool {
        self.stream.as_ref().is_some_and(|stream| stream.durable.is_some())
    }
}

/// What a call changes (`idempotency_level` in descriptor.proto).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effects {
    /// Nothing: it may be repeated, and called by GET.
    None,
    /// The same however often it is made.
    Idempotent,
    Unknown,
}

/// One `google.api.http` binding of a method.
#[derive(Debug)]
pub struct Binding {
    pub method: Arc<Method>,
    /// Upper-case HTTP method, or `*`.
    pub http_method: String,
    pub template: String,
    /// The fields that the template's variables fill, in its order.
    pub variables: Vec<FieldPath>,
    pub body: Body,
    pub response_body: Option<FieldDescriptor>,
    /// The HTTP body goes as it is into a google.api.HttpBody.
    pub raw_body: bool,
    /// The answer's body comes as it is out of a google.api.HttpBody.
    pub raw_answer: bool,
    /// `/package.Service/Method`, which every method has without declaring it.
    pub implicit: bool,
    /// HTTP method and template, for logs.
    pub route: Arc<str>,
    /// What headers fill and show.
    pub headers: HeaderFields,
}

impl Binding {
    /// The binding that a method has without declaring it: `body` is all of the request, or nothing.
    pub fn implicit(method: &Arc<Method>, http_method: &str, body: Body) -> Self {
        Self {
            http_method: http_method.to_owned(),
            template: method.path.to_string(),
            variables: Vec::new(),
            raw_body: body == Body::All && is_http_body(&method.descriptor.input()),
            raw_answer: is_http_body(&method.descriptor.output()) && !method.is_durable(),
            body,
            response_body: None,
            implicit: true,
            route: format!("{http_method} {}", method.path).into(),
            headers: HeaderFields::find(&method.descriptor, None, None),
            method: Arc::clone(method),
        }
    }
}

/// Whether a message stands for an HTTP body (httpbody.proto).
pub fn is_http_body(message: &MessageDescriptor) -> bool {
    message.full_name() == "google.api.HttpBody"
}

/// What the HTTP body of a request fills.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Nothing: the rest comes from the query.
    None,
    /// The whole message: then there are no query parameters.
    All,
    Field(FieldDescriptor),
}

/// How far a stream can be resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// By cursor, on any edge, within the backend's retention.
    Durable,
    /// Numbered by the edge.
    Ring,
    /// Client and bidi streams: no cursor at all.
    None,
}

impl Tier {
    pub fn name(self) -> &'static str {
        match self {
            Self::Durable => "durable",
            Self::Ring => "ring",
            Self::None => "none",
        }
    }
}

/// A resolved StreamRule.
#[derive(Debug, Clone)]
pub struct Stream {
    pub durable: Option<Durable>,
    pub event: EventName,
    /// The sub-message that is delivered, instead of the whole.
    pub data: Option<(FieldPath, MessageId)>,
    pub split: Option<Split>,
    /// Where clients read the state that the stream changes; the edge itself does not.
    pub snapshot: Option<Snapshot>,
    pub finite: bool,
    pub heartbeat: Option<Duration>,
    pub max_age: Option<Duration>,
    /// Request fields that only choose where a call without a cursor begins.
    pub beginning: Vec<FieldDescriptor>,
    /// Bytes of recent messages that are kept.
    pub replay_bytes: Option<usize>,
    pub share: Share,
}

/// The unary method that gives the state, and where in its answer stands the cursor from which the stream continues.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub method: MethodDescriptor,
    pub cursor: FieldPath,
}

/// Who reads one upstream stream together.
#[derive(Debug, Clone)]
pub struct Share {
    /// The rule says so; without it, only streams with cursors are shared.
    pub is_declared: bool,
    pub scope: Scope,
    /// The unary method that admits a caller to an AUTHORIZED stream.
    pub authorize: Option<PathAndQuery>,
    /// How long an admission holds.
    pub ttl: Duration,
    /// How long the stream goes on after its last reader has left.
    pub linger: Option<Duration>,
}

/// The audience of one upstream stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// One caller, on all connections.
    PerCaller,
    /// Whoever the backend admits.
    Authorized,
    Public,
}

impl Default for Share {
    fn default() -> Self {
        Self {
            is_declared: false,
            scope: Scope::PerCaller,
            authorize: None,
            ttl: Duration::from_secs(60),
            linger: None,
        }
    }
}

/// The fields that make a stream resumable by cursor.
#[derive(Debug, Clone)]
pub struct Durable {
    pub cursor: FieldPath,
    pub position: Option<FieldPath>,
    pub previous: Option<FieldPath>,
    pub resume: FieldPath,
}

/// Each value of `many` becomes one upstream stream with `one` set.
#[derive(Debug, Clone)]
pub struct Split {
    pub many: FieldDescriptor,
    pub one: FieldDescriptor,
}

/// What names an event.
#[derive(Debug, Clone)]
pub enum EventName {
    None,
    Field(FieldPath),
    /// The set member's name, by field number.
    Oneof(OneofDescriptor, HashMap<u32, String>),
}

impl Stream {
    /// What a method without a rule gets.
    pub fn unruled() -> Self {
        Self {
            durable: None,
            event: EventName::None,
            data: None,
            split: None,
            snapshot: None,
            finite: true,
            heartbeat: None,
            max_age: None,
            beginning: Vec::new(),
            replay_bytes: None,
            share: Share::default(),
        }
    }

    pub fn tier(&self) -> Tier {
        if self.durable.is_some() { Tier::Durable } else { Tier::Ring }
    }
}

/// A resolved AuthRule.
#[derive(Debug, Clone, Default)]
pub struct Auth {
    pub public: bool,
    pub per_minute: Option<u32>,
    /// Cookie name and the response field it is set from.
    pub set_cookie: Vec<(String, FieldPath)>,
    /// Cookie name and the request field it fills.
    pub from_cookie: Vec<(String, FieldPath)>,
    pub clear_cookie: Vec<String>,
}
