//! Makes a call of an `open` frame, by the same guards as a request: rate, credential, places, drain.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{BoxStream, unfold};
use futures_util::{FutureExt as _, Stream, StreamExt};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use opentelemetry::Context;
use opentelemetry::context::FutureExt;
use tokio::time::Instant;

use crate::cursor::{Cursor, Token};
use crate::deliver::jittered;
use crate::error::{Code, Error, Result};
use crate::hub::subscription::{Given, Resume};
use crate::hub::{Ask, subscriptions};
use crate::layer::{Caller, ClientAddress, cut_by_drain, last_words};
use crate::schema::{Method, Schema};
use crate::session::{Kind, Open};
use crate::transcode::ReadOptions;
use crate::upstream::{Call, Reply, metadata};

use super::super::admit::admit;
use super::super::state::{Front, Shared};
use super::super::stream::reading;
use super::payload;
use super::reading::Reading;

/// What a call has become.
pub enum Begun {
    Stream(Box<Reading>),
    /// The stream that is asked for had ended.
    Ended,
    /// One answer.
    Answer(BoxFuture<'static, Result<Reply>>),
    Exchange(BoxStream<'static, Result<Bytes>>),
}

/// A call to be made.
#[derive(Debug, Clone)]
pub struct Opening {
    pub front: Shared,
    pub schema: Arc<Schema>,
    pub method: Arc<Method>,
    pub kind: Kind,
    pub head: Arc<Parts>,
    /// As the client sent it.
    pub open: Arc<Open>,
}

impl Opening {
    /// Begins the call; `messages` are those of a client that streams.
    ///
    /// # Errors
    /// Whatever the guards refuse, and what the backend fails with before the first message.
    pub async fn begin(self, messages: Option<BoxStream<'static, Bytes>>) -> Result<Begun> {
        // Each call has a span of its own, below that of the page.
        let context = self.front.sessions.traces.begin("edge.call", &self.head.headers);
        self.guarded(messages, context.clone()).with_context(context).await
    }

    async fn guarded(self, messages: Option<BoxStream<'static, Bytes>>, context: Context) -> Result<Begun> {
        let Self { front, schema, method, kind, head, open } = self;
        if front.drain.begun().is_cancelled() {
            let message = "This edge is shutting down. Call by the next connection.";
            let error = Error::new(Code::Unavailable, "DRAINING", message);
            return Err(error.retry_after(jittered(front.config.drain.window)));
        }
        if let Some(address) = head.extensions.get::<ClientAddress>() {
            front.sessions.rates.check(address.0)?;
        }
        front.sessions.counts.calls.up();
        let caller = admit(&front, &schema, &method, &head, None).await?;
        let options = ReadOptions::from(&front.config.rest);
        let timeout = (open.timeout_ms > 0).then(|| Duration::from_millis(open.timeout_ms.into()));
        let mut call = Call {
            path: method.path.clone(),
            metadata: metadata_of(&front, &head, &open.headers, &caller)?,
            deadline: timeout.and_then(|timeout| Instant::now().checked_add(timeout)),
            plan: Some(Arc::clone(&schema.plan)),
            max_message: front.config.limits.message_bytes,
        };
        match (kind, messages) {
            (Kind::Unary, _) => {
                let latest = Instant::now() + front.config.calls.timeout;
                call.deadline = Some(call.deadline.map_or(latest, |deadline| deadline.min(latest)));
                let message = payload::read(&method, options, open.payload.as_ref())?;
                let time_is_up = last_words(&head.extensions);
                let answer = async move {
                    tokio::select! {
                        biased;
                        reply = front.upstream.unary(call, message) => reply,
                        () = time_is_up.cancelled() => Err(cut_by_drain()),
                    }
                };
                Ok(Begun::Answer(answer.with_context(context).boxed()))
            }
            (Kind::ServerStream, _) => {
                let message = payload::read(&method, options, open.payload.as_ref())?;
                stream(&front, method, &caller, &head, call, (message, &open.cursor)).await
            }
            (Kind::ClientStream, messages) => {
                let place = front.stream_limit.admit(&caller, &head.extensions)?;
                let messages = messages.unwrap_or_else(|| futures_util::stream::empty().boxed());
                let answer = async move {
                    let _place = place;
                    front.upstream.client_streaming(call, messages).await
                };
                Ok(Begun::Answer(answer.with_context(context).boxed()))
            }
            (Kind::Bidi, messages) => {
                let place = front.stream_limit.admit(&caller, &head.extensions)?;
                let messages = messages.unwrap_or_else(|| futures_util::stream::empty().boxed());
                Ok(Begun::Exchange(exchange(front, call, messages, place, context).boxed()))
            }
        }
    }
}

/// The backend's messages; its head may come with the first of them.
fn exchange<P: Send + 'static>(
    front: Shared,
    call: Call,
    messages: BoxStream<'static, Bytes>,
    place: P,
    context: Context,
) -> impl Stream<Item = Result<Bytes>> + Send {
    let begin =
        async move { (front.upstream.bidi_streaming(call, messages).with_context(context).await, place) };
    let begun = futures_util::stream::once(begin);
    begun.flat_map(|(begun, place)| {
        let step = |(begun, place): (Option<Result<crate::upstream::Messages>>, P)| async move {
            let mut messages = match begun? {
                Ok(messages) => messages,
                Err(error) => return Some((Err(error), (None, place))),
            };
            match messages.next().await {
                Ok(Some(message)) => Some((Ok(message), (Some(Ok(messages)), place))),
                Ok(None) => None,
                Err(error) => Some((Err(error), (None, place))),
            }
        };
        unfold((Some(begun), place), step).boxed()
    })
}

async fn stream(
    front: &Front,
    method: Arc<Method>,
    caller: &Caller,
    head: &Parts,
    call: Call,
    (message, cursor): (Bytes, &str),
) -> Result<Begun> {
    let Some(rule) = &method.stream else { return Err(Error::internal("a stream without a rule")) };
    let parse = || Cursor::parse(cursor).unwrap_or_else(|_| Cursor::Token(Token::default()));
    let given = (!cursor.is_empty()).then(|| Given { cursor: parse(), by_browser: false });
    let streams = subscriptions(&method, rule, message.into(), given)?;
    if streams.iter().all(|stream| stream.resume == Resume::Ended) {
        return Ok(Begun::Ended);
    }
    let place = front.stream_limit.admit(caller, &head.extensions)?;
    let reading = reading(caller);
    let expires = caller.claims.as_ref().map_or(0, |claims| claims.exp);
    let reader = front.hub.subscribe(Ask { subscriptions: streams, call, reading, expires }).await?;
    let channel = reader.feed().map(|feed| front.sessions.channels.of(feed));
    let max_age = rule.max_age.and_then(|age| Instant::now().checked_add(jittered(age)));
    let method = Arc::clone(&method);
    Ok(Begun::Stream(Box::new(Reading { reader, method, channel, max_age, place, claim: None })))
}

/// What reaches the backend: allowed headers of the request that began the connection, those of the call, and the token.
fn metadata_of(
    front: &Front,
    head: &Parts,
    own: &BTreeMap<String, String>,
    caller: &Caller,
) -> Result<HeaderMap> {
    let (size, limit) = (
        own.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>(),
        front.config.limits.head_bytes,
    );
    if size > limit {
        // By HTTP the head of a request has the same limit. Backends close a connection over a head that is too large.
        return Err(Error::field("headers", format!("has {size} bytes, and at most {limit} are taken")));
    }
    let mut headers = head.headers.clone();
    // It was for one request.
    headers.remove("idempotency-key");
    for (name, value) in own {
        let name = allowed(front, name)?;
        let value = HeaderValue::from_str(value)
            .map_err(|_| Error::field("headers", format!("`{name}` has letters that no header has")))?;
        headers.insert(name, value);
    }
    let passed = metadata::pass(&headers, &front.request_headers)?;
    // A stream keeps it, so it is no larger than it is.
    let mut metadata = HeaderMap::with_capacity(passed.len() + 1);
    metadata.extend(passed);
    if let Some(authorization) = &caller.authorization {
        metadata.insert(header::AUTHORIZATION, authorization.clone());
    }
    Ok(metadata)
}

/// A name that a call may give. By HTTP others are passed over, because browsers send what they like; here one is a mistake.
fn allowed(front: &Front, name: &str) -> Result<HeaderName> {
    let found = front.request_headers.iter().find(|allowed| allowed.as_str().eq_ignore_ascii_case(name));
    found.cloned().ok_or_else(|| {
        let names: Vec<&str> = front.request_headers.iter().map(HeaderName::as_str).collect();
        let problem = format!("may have {}, and not `{name}`: see `calls.request_headers`", names.join(", "));
        Error::field("headers", problem)
    })
}

impl std::fmt::Debug for Begun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Stream(_) => "Stream",
            Self::Ended => "Ended",
            Self::Answer(_) => "Answer",
            Self::Exchange(_) => "Exchange",
        })
    }
}
