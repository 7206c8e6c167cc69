//! A browser's side of a stream: how it asks, and what it is told.

use std::panic::Location;
use std::time::Duration;

use http::{HeaderValue, header};
use lastmile_edge::cursor::{Cursor, Token};
use lastmile_edge::error::Result;
use lastmile_edge::hub::subscription::Given;
use lastmile_edge::hub::{self, Hub, Item, Manner, Reader, Reading, subscriptions};
use lastmile_edge::identity::Rights;
use lastmile_edge::upstream::Call;
use prost::Message;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use crate::backend::{Act, Backend, position};
use crate::shop::{message, method};

pub(crate) const WATCH: &str = "Streams/Watch";
const PEEK: Duration = Duration::from_millis(250);
/// Longer than anything a test waits for; the clock is paused, so it costs nothing.
pub(crate) const SILENCE: Duration = Duration::from_secs(3600);

/// What a browser asks for.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    /// Such as `Streams/Watch`.
    pub(crate) method: &'static str,
    pub(crate) request: Value,
    pub(crate) cursor: Option<String>,
    /// The browser sends the cursor by itself, as `Last-Event-ID`.
    pub(crate) by_browser: bool,
    pub(crate) timeout: Option<Duration>,
    /// The credential, and when it expires.
    pub(crate) credential: Option<(&'static str, u64)>,
}

impl Ask {
    pub(crate) fn new(method: &'static str, request: Value) -> Self {
        Self { method, request, cursor: None, by_browser: true, timeout: None, credential: None }
    }

    pub(crate) fn after(self, cursor: impl Into<Option<String>>) -> Self {
        Self { cursor: cursor.into(), ..self }
    }

    pub(crate) fn by(self, credential: &'static str, expires: u64) -> Self {
        Self { credential: Some((credential, expires)), ..self }
    }
}

/// The streams of an edge in front of this backend.
pub(crate) fn hub(backend: &Backend) -> Hub {
    hub_with(backend, 1 << 20)
}

/// The same, where so many bytes are kept of each stream.
pub(crate) fn hub_with(backend: &Backend, replay_bytes: usize) -> Hub {
    let manner = Manner {
        peek: PEEK,
        replay_bytes,
        memory: 1 << 30,
        linger: Duration::from_secs(5),
        shared_headers: Vec::new(),
        timeout: Duration::from_secs(30),
    };
    Hub::new(backend.upstream().known_to_service(), manner)
}

/// A caller with this name.
pub(crate) fn caller(name: &str) -> Reading {
    Reading::Caller { issuer: "test".into(), subject: name.into(), rights: Rights::default() }
}

/// Opens a stream as the faces do, alone.
pub(crate) async fn subscribe(backend: &Backend, ask: &Ask) -> Result<Reader> {
    join(&hub(backend), Reading::Anonymous, ask).await
}

/// Opens a stream as the faces do, among others.
pub(crate) async fn join(hub: &Hub, reading: Reading, ask: &Ask) -> Result<Reader> {
    let method = method(ask.method);
    let rule = method.stream.as_ref().expect("a streaming method");
    let name = method.descriptor.input().name().to_owned();
    let given = ask.cursor.as_deref().map(|text| Given {
        cursor: Cursor::parse(text).unwrap_or(Cursor::Token(Token::default())),
        by_browser: ask.by_browser,
    });
    let request = message(&name, ask.request.clone()).encode_to_vec();
    let subscriptions = subscriptions(&method, rule, request, given)?;
    let call = Call {
        path: method.path.clone(),
        metadata: ask
            .credential
            .map(|(credential, _)| (header::AUTHORIZATION, HeaderValue::from_static(credential)))
            .into_iter()
            .collect(),
        deadline: ask.timeout.map(|timeout| Instant::now() + timeout),
        plan: None,
        max_message: 1 << 20,
    };
    hub.subscribe(hub::Ask {
        subscriptions,
        call,
        reading,
        expires: ask.credential.map_or(0, |(_, expires)| expires),
    })
    .await
}

/// Everything that a subscriber is told, a line each, such as `tick 3 at 3`.
pub(crate) async fn transcript(backend: &Backend, ask: &Ask) -> Vec<String> {
    match subscribe(backend, ask).await {
        Ok(reader) => told(reader).await,
        Err(error) => vec![format!("refused {} {}", error.code().name(), error.reason_text())],
    }
}

/// Everything that a reader is told until it ends, or says no more.
pub(crate) async fn told(mut reader: Reader) -> Vec<String> {
    let mut lines: Vec<String> = reader
        .openings()
        .iter()
        .map(|opening| {
            let outcome = opening.outcome;
            format!("{} {} {}", opening.key, outcome.name(), outcome.reason().unwrap_or_default())
        })
        .map(|line| line.trim_end().to_owned())
        .collect();
    lines.push(at(&reader));
    loop {
        let entry = match timeout(SILENCE, reader.next()).await {
            Err(_) => {
                lines.push("silence".into());
                return lines;
            }
            Ok(Ok(Some(entry))) => entry,
            Ok(Ok(None)) => {
                lines.push(format!("end {}", at(&reader)));
                return lines;
            }
            Ok(Err(error)) => {
                lines.push(format!("failed {} {} {}", error.code().name(), error.reason_text(), at(&reader)));
                return lines;
            }
        };
        let what = match &entry.item {
            Item::Event(event) => {
                let json: Value = serde_json::from_slice(&event.json()).expect("JSON");
                format!("{} {}", event.name().unwrap_or("unnamed"), json["number"])
            }
            Item::Gap(reason) => format!("{} GAP {}", reader.moved(), reason.name()),
            Item::Position => "position".into(),
            Item::Skipped(reason) => format!("skipped {reason}"),
        };
        lines.push(format!("{what} {}", at(&reader)));
    }
}

/// Where a subscriber stands, its tags left out: `at 3~$end`.
fn at(reader: &Reader) -> String {
    let Some(token) = reader.token() else { return "at no place".into() };
    let cursors: Vec<&str> =
        token.split('~').map(|one| one.splitn(3, '.').nth(2).expect("a token of three parts")).collect();
    format!("at {}", cursors.join("~"))
}

/// The durable stream of one topic.
pub(crate) fn watch(topic: &str) -> Ask {
    Ask::new(WATCH, json!({ "topic": topic }))
}

/// The token of a subscriber of `topics` who has seen the events up to these.
pub(crate) async fn token(topics: &[(&str, u32)]) -> String {
    let calls = topics.iter().map(|(topic, seen)| (json!({ "topic": topic }), vec![position(*seen)]));
    let names: Vec<&str> = topics.iter().map(|(topic, _)| *topic).collect();
    let ask = Ask::new(WATCH, json!({ "topics": names }));
    let reader = subscribe(&Backend::script(calls), &ask).await.expect("a stream");
    reader.token().expect("a token")
}

/// Plays the calls to one subscriber and compares what it is told; every call must have been made.
#[track_caller]
pub(crate) fn check<const N: usize>(
    ask: Ask,
    calls: [(Value, Vec<Act>); N],
    expected: &'static [&'static str],
) -> impl Future<Output = ()> {
    let place = Location::caller();
    async move {
        let backend = Backend::script(calls);
        let told = transcript(&backend, &ask).await;
        assert_eq!(told, expected, "at {place}, calls {:?}", backend.calls());
        assert_eq!(backend.calls().len(), N, "at {place}");
        backend.closed().await;
    }
}
