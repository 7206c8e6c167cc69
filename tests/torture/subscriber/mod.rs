//! Subscribers of every face, each as its real counterpart behaves.

mod credential;
mod reader;
mod sse;
mod event_source;
mod fetch;
mod lines;
mod poll;
mod call;
mod session;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use reqwest::Client;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::history::History;
use crate::history::topics::{self, BRIEF, GUARDED, MEMBERS, OPEN, QUIET, STAFF};
use crate::seed::Seed;

use credential::{Credential, Kind};

pub(crate) use call::StreamCall;
pub(crate) use reader::{PATIENCE, Reached, Reader, is_of_token};
pub(crate) use session::dial;

/// How a subscriber reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Face {
    EventSource,
    Fetch,
    Lines,
    Poll,
    Session,
}

impl Face {
    /// What the table calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::EventSource => "EventSource",
            Self::Fetch => "fetch",
            Self::Lines => "NDJSON",
            Self::Poll => "long poll",
            Self::Session => "session",
        }
    }

    /// All of them.
    pub(crate) const ALL: [Self; 5] =
        [Self::EventSource, Self::Fetch, Self::Lines, Self::Poll, Self::Session];
}

/// One subscriber to be.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) face: Face,
    /// None: all that it may read.
    topics: Option<Vec<&'static str>>,
    user: Option<&'static str>,
}

/// Everyone who subscribes in a run.
pub(crate) fn cast() -> Vec<Part> {
    let part = |face, user, topics: &[&'static str]| Part { face, user, topics: Some(topics.to_vec()) };
    let all = |face| Part { face, user: Some("admin"), topics: None };
    let crowd = [OPEN[0], OPEN[1], BRIEF[0], MEMBERS[0]];
    let guarded = [MEMBERS[0], GUARDED[0], GUARDED[1]];
    let mut parts = vec![all(Face::Fetch), all(Face::Lines), all(Face::EventSource)];
    for face in Face::ALL {
        parts.push(part(face, None, &OPEN[..1]));
        parts.push(part(face, None, &[QUIET]));
        parts.push(part(face, None, &BRIEF[1..]));
        parts.push(part(face, Some("alice"), &GUARDED[..1]));
        parts.push(part(face, Some("officer-0"), &STAFF[..1]));
        // A line has the cursor of its own stream alone: NDJSON of several streams has none for the whole.
        // A session has a call for each.
        if face != Face::Lines && face != Face::Session {
            parts.push(part(face, None, &OPEN));
            parts.push(part(face, Some("bob"), &crowd));
            parts.push(part(face, Some("bob"), &guarded));
        }
    }
    parts.push(part(Face::Fetch, Some("officer-1"), &[STAFF[0], GUARDED[1], BRIEF[0]]));
    parts
}

impl Part {
    /// The subscriber, before it has asked for anything.
    pub(crate) fn reader(&self, number: usize, seed: Seed, clock: Clock, edges: &[SocketAddr]) -> Reader {
        let names = self.topics.clone().unwrap_or_else(topics::all);
        let topics: Vec<_> = names.iter().filter_map(|name| topics::index(name)).collect();
        let label = if self.topics.is_none() { "all".to_owned() } else { names.join("+") };
        let history = History {
            name: format!("{number}: {} reads {label}", self.user.unwrap_or("nobody")),
            face: self.face.name(),
            topics,
            merged: self.topics.is_none(),
            user: self.user.map(String::from),
            native: self.face == Face::EventSource,
            entries: Vec::new(),
        };
        let kind = match (self.user, self.face) {
            (None, _) => Kind::Anonymous,
            (Some(_), Face::EventSource) => Kind::Cookie,
            (Some(_), _) => Kind::Bearer,
        };
        let reached: Reached = Arc::new(topics::all().iter().map(|_| AtomicU64::new(0)).collect());
        Reader {
            credential: Credential::new(kind, self.user.unwrap_or_default()),
            history,
            clock,
            edges: edges.to_vec(),
            random: seed.part(&format!("subscriber {number}")),
            client: Client::builder().no_proxy().http1_only().build().expect("an HTTP client"),
            address: format!("10.0.0.{}", number + 1),
            cursor: None,
            reached,
            heartbeat: Duration::from_secs(15),
        }
    }
}

/// Somebody who reads one topic through this front.
pub(crate) fn one_who_reads_an_open_topic(
    face: Face,
    number: usize,
    seed: Seed,
    clock: Clock,
    front: SocketAddr,
) -> Reader {
    let part = Part { face, topics: Some(vec![OPEN[0]]), user: None };
    part.reader(number, seed, clock, &[front])
}

/// Somebody with a name who reads this topic, and what it reaches.
pub(crate) fn one_of_name(
    user: &'static str,
    topic: &'static str,
    (seed, clock): (Seed, Clock),
    edges: &[SocketAddr],
) -> Reader {
    let number = 100 + topics::index(topic).unwrap_or_default();
    let part = Part { face: Face::Session, topics: Some(vec![topic]), user: Some(user) };
    part.reader(number, seed, clock, edges)
}

/// Nobody in particular.
pub(crate) fn nobody((seed, clock): (Seed, Clock), edges: &[SocketAddr]) -> Reader {
    let part = Part { face: Face::Session, topics: Some(vec![OPEN[0]]), user: None };
    part.reader(99, seed, clock, edges)
}

/// Reads until told to end; returns all that was seen.
pub(crate) async fn subscribe(mut reader: Reader, face: Face, mut ended: watch::Receiver<bool>) -> History {
    tokio::select! {
        () = attend(&mut reader, face) => {}
        _ = ended.wait_for(|ended| *ended) => {}
    }
    reader.history
}

async fn attend(reader: &mut Reader, face: Face) {
    match face {
        Face::EventSource => event_source::attend(reader).await,
        Face::Fetch => fetch::attend(reader).await,
        Face::Lines => lines::attend(reader).await,
        Face::Poll => poll::attend(reader).await,
        Face::Session => session::attend(reader).await,
    }
}
