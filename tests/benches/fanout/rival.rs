//! A server that is measured, its subscribers, and where its events come from.

use std::net::SocketAddr;

use lastmile_tests::Process;
use tokio::task::JoinSet;

use crate::control::{self, Control};
use crate::cost::Cpu;
use crate::crowd::Crowd;
use crate::readers::{MARK, nanoseconds};
use crate::topics::Topics;

/// The bytes around the text of an event in the baselines: of the chunk and of the block, or of the WebSocket's frame.
const AROUND: usize = 15;
const AROUND_IN_SOCKETS: usize = 4;

pub(crate) struct Rival {
    pub(crate) name: &'static str,
    pub(crate) crowd: Crowd,
    pub(crate) http: SocketAddr,
    path: String,
    /// What is measured: the server that subscribers are connected to, and what stands behind it.
    processes: Vec<u32>,
    source: Source,
    /// Publications under way.
    publishing: JoinSet<()>,
    _server: Option<Process>,
}

enum Source {
    Topic {
        topics: Topics,
        name: String,
    },
    /// Lines to the server itself, padded to what an event of the edge has.
    Control {
        control: Control,
        bytes: usize,
        around: usize,
    },
}

impl Rival {
    /// A baseline: this program in the role `name`, whose events have `bytes` on the wire.
    pub(crate) async fn baseline(name: &'static str, role: &str, bytes: usize) -> Self {
        let itself = std::env::current_exe().expect("a bench knows its own path");
        let mut server = Process::start(itself, [role], &[]);
        let http = control::address(&mut server, "http").await;
        let control = Control::of(&mut server).await;
        let processes = vec![server.id()];
        let is_socket = role.ends_with("socket");
        let (path, around) = if is_socket { ("ws:/socket", AROUND_IN_SOCKETS) } else { ("/events", AROUND) };
        let source = Source::Control { control, bytes, around };
        Self::new(name, http, path.to_owned(), processes, source, Some(server)).await
    }

    /// The same edge with subscribers in sessions over WebSockets.
    pub(crate) fn by_sessions(mut self) -> Self {
        if let Source::Topic { name, .. } = &self.source {
            self.path = format!("session:{name}");
        }
        self
    }

    /// An edge, the first of `processes`, with a topic of its own.
    pub(crate) async fn edge(
        name: &'static str,
        http: SocketAddr,
        processes: Vec<u32>,
        topics: &Topics,
        topic: &str,
        server: Option<Process>,
    ) -> Self {
        topics.create(topic).await;
        let source = Source::Topic { topics: topics.clone(), name: topic.to_owned() };
        Self::new(name, http, format!("/api/v1/topics/{topic}/events"), processes, source, server).await
    }

    async fn new(
        name: &'static str,
        http: SocketAddr,
        path: String,
        processes: Vec<u32>,
        source: Source,
        server: Option<Process>,
    ) -> Self {
        let (crowd, publishing) = (Crowd::start().await, JoinSet::new());
        Self { name, crowd, http, path, processes, source, publishing, _server: server }
    }

    /// Grows to `size` subscribers, all of whom have had an event; returns that event's bytes on the wire.
    pub(crate) async fn grow(&mut self, size: usize) -> usize {
        self.crowd.grow(size, self.http, &self.path).await;
        self.crowd.tally().await;
        self.publish(1).await;
        self.published().await;
        self.crowd.delivered(1).await;
        let tally = self.crowd.tally().await;
        (tally.bytes / tally.events) as usize
    }

    /// Begins to publish some events back to back.
    pub(crate) async fn publish(&mut self, events: usize) {
        match &mut self.source {
            Source::Topic { topics, name } => {
                for _ in 0..events {
                    let (topics, name) = (topics.clone(), name.clone());
                    self.publishing.spawn(async move { topics.publish(&name, text(0)).await });
                }
            }
            Source::Control { control, bytes, around } => {
                let lines: Vec<String> = (0..events).map(|_| text(bytes.saturating_sub(*around))).collect();
                control.tell(&lines.join("\n")).await;
            }
        }
    }

    /// Waits until what was begun is published.
    pub(crate) async fn published(&mut self) {
        while let Some(published) = self.publishing.join_next().await {
            published.expect("an event is published");
        }
    }

    /// CPU time used so far by each process.
    pub(crate) fn cpu(&self) -> Vec<Cpu> {
        self.processes.iter().map(|process| Cpu::of(*process)).collect()
    }

    /// The process that subscribers are connected to.
    pub(crate) fn process(&self) -> u32 {
        self.processes[0]
    }
}

/// What an event carries: when it was published, and filling up to `length`.
fn text(length: usize) -> String {
    format!("{:.<length$}", format!("{MARK}{}", nanoseconds()))
}
