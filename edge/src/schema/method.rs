//! A method of the backend with everything that was declared about it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::uri::PathAndQuery;
use prost_reflect::{FieldDescriptor, MethodDescriptor, OneofDescriptor};

use super::field::FieldPath;
use super::header_fields::HeaderFields;
use super::plan::{MessageId, Plan};

/// A method and its rules, checked and resolved.
#[derive(Debug)]
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
    /// `package.Service/Method`.
    pub fn name(&self) -> &str {
        self.path.as_str().trim_start_matches('/')
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
    /// What headers fill and show.
    pub headers: HeaderFields,
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
#[derive(Debug)]
pub struct Stream {
    pub durable: Option<Durable>,
    pub event: EventName,
    /// The sub-message that is delivered, instead of the whole.
    pub data: Option<(FieldPath, MessageId)>,
    pub split: Option<Split>,
    pub finite: bool,
    pub heartbeat: Option<Duration>,
    pub max_age: Option<Duration>,
}

/// The fields that make a stream resumable by cursor.
#[derive(Debug)]
pub struct Durable {
    pub cursor: FieldPath,
    pub position: Option<FieldPath>,
    pub previous: Option<FieldPath>,
    pub resume: FieldPath,
}

/// Each value of `many` becomes one upstream stream with `one` set.
#[derive(Debug)]
pub struct Split {
    pub many: FieldDescriptor,
    pub one: FieldDescriptor,
}

/// What names an event.
#[derive(Debug)]
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
            finite: true,
            heartbeat: None,
            max_age: None,
        }
    }

    pub fn tier(&self) -> Tier {
        if self.durable.is_some() { Tier::Durable } else { Tier::Ring }
    }
}

/// A resolved AuthRule.
#[derive(Debug, Default)]
pub struct Auth {
    pub public: bool,
    pub per_minute: Option<u32>,
    /// Cookie name and the response field it is set from.
    pub set_cookie: Vec<(String, FieldPath)>,
    /// Cookie name and the request field it fills.
    pub from_cookie: Vec<(String, FieldPath)>,
    pub clear_cookie: Vec<String>,
}
