//! The access log: one line a request, and of a stream when and how it ended.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, Once};

use prost::Message;
use serde_json::json;
use tracing::Subscriber;
use tracing::field::{Field, Visit};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};

use crate::backend::{Act, Backend, answer, event, position};
use crate::host::until;
use crate::rpc::cafe::{framed, word};
use crate::rpc::client::{post, read, read_some, send, send2};
use crate::rpc::stack::Stack;
use crate::site::Site;

type Fields = BTreeMap<&'static str, String>;

/// The lines of the access log of this thread, which is the only one of its test.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<Fields>>>);

thread_local! {
    static HERE: RefCell<Option<Lines>> = const { RefCell::new(None) };
}

/// One for all threads: with a single subscriber of one thread, what another logs first counts as logged for nobody.
static LISTENS: Once = Once::new();

/// Hands each line to whoever listens on its thread.
struct Switch;

impl<S: Subscriber> Layer<S> for Switch {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let Some(lines) = HERE.with_borrow(Clone::clone) else { return };
        let mut line = Line::default();
        event.record(&mut line);
        if line.0.get("message").is_some_and(|message| message == "request") {
            lines.0.lock().expect("no panic").push(line.0);
        }
    }
}

#[derive(Default)]
struct Line(Fields);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}

impl Lines {
    /// From now on, on this thread.
    fn listen() -> Self {
        LISTENS.call_once(|| {
            let subscriber = tracing_subscriber::registry().with(Switch);
            tracing::subscriber::set_global_default(subscriber).expect("no other is set");
        });
        let lines = Self::default();
        HERE.set(Some(lines.clone()));
        lines
    }

    /// Route, status and end of the one line there is, as soon as there is one.
    async fn only(&self) -> String {
        until("a line", || !self.0.lock().expect("no panic").is_empty()).await;
        let mut lines = self.0.lock().expect("no panic");
        assert_eq!(lines.len(), 1, "{lines:?}");
        let line = lines.remove(0);
        let field = |name| line.get(name).map_or("-", String::as_str);
        format!("{} {} {}", field("route"), field("status"), field("ended"))
    }

    fn is_silent(&self) -> bool {
        self.0.lock().expect("no panic").is_empty()
    }
}

fn frame(text: &str) -> Vec<u8> {
    framed(0, &word(text, 1).encode_to_vec()).to_vec()
}

#[tokio::test]
async fn the_line_of_an_rpc_stream_tells_its_status() {
    let lines = Lines::listen();
    let stack = Stack::start().await;
    let connect = |text: &str| framed(0, json!({ "text": text }).to_string().as_bytes());
    for (text, ended) in [
        ("1", "OK"),
        ("fail", "ABORTED"),
        ("trailers only", "ABORTED"),
        ("cut", "UNAVAILABLE"),
        ("proxy", "UNAVAILABLE"),
    ] {
        let expected = format!("RPC cafe.v1.Cafe/Tell 200 {ended}");
        read(send(stack.edge, post("Tell", "application/grpc-web+proto", &[], frame(text))).await).await;
        assert_eq!(lines.only().await, expected, "gRPC-Web, {text}");
        read(send(stack.edge, post("Tell", "application/connect+json", &[], connect(text))).await).await;
        assert_eq!(lines.only().await, expected, "Connect, {text}");
        if text != "cut" {
            read(send2(stack.edge, post("Tell", "application/grpc", &[], frame(text))).await).await;
            assert_eq!(lines.only().await, expected, "gRPC, {text}");
        }
    }
}

#[tokio::test]
async fn the_line_of_a_stream_comes_when_it_ends() {
    let lines = Lines::listen();
    let stack = Stack::start().await;
    for (leaves, ended) in [(true, "client_left"), (false, "UNAVAILABLE")] {
        let mut response =
            send(stack.edge, post("Tell", "application/grpc-web+proto", &[], frame("hang"))).await;
        read_some(response.body_mut()).await;
        assert!(lines.is_silent());
        if leaves {
            drop(response);
        } else {
            stack.drain.cancel();
            read(response).await;
        }
        assert_eq!(lines.only().await, format!("RPC cafe.v1.Cafe/Tell 200 {ended}"));
    }
}

#[tokio::test]
async fn the_line_of_a_stream_of_events_tells_why_it_closed() {
    let lines = Lines::listen();
    let backend = Backend::new(|method, request| match (method, request["topic"].as_str()) {
        ("Notes/GetNote", _) => answer("Note", json!({ "name": "a" })),
        (_, Some("ends")) => vec![position(0), event(1), Act::End],
        (_, Some("breaks")) => vec![position(0), event(1), Act::Cut],
        (_, Some("fails")) => vec![position(0), event(1), Act::Fail(tonic::Status::data_loss("lost"))],
        _ => vec![Act::Fail(tonic::Status::not_found("no such topic"))],
    });
    let site = Site::start(json!({}), &backend).await;
    for accept in ["text/event-stream", "application/x-ndjson"] {
        for (path, expected) in [
            ("watch?topic=ends", "200 OK"),
            // Without a cursor nobody can go on for the browser.
            ("tick?topic=breaks", "200 upstream_unavailable"),
            ("watch?topic=fails", "200 DATA_LOSS"),
            ("watch?topic=none", "404 -"),
        ] {
            site.get(&format!("/v1/{path}"), &[("accept", accept)]).await;
            let line = lines.only().await;
            assert!(line.ends_with(expected), "{accept} {path}: {line}");
        }
    }
    site.get("/v1/notes/a", &[]).await;
    assert!(lines.only().await.ends_with("200 -"));
}
