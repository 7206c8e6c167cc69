//! Reads the log from the core itself, past the edges and all faults, and so learns the truth.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tonic::{Code, Status};

use crate::clock::Clock;
use crate::core_client::CoreClient;
use crate::history::topics;
use crate::truth::{Restore, Truth};

/// How often it looks.
const EVERY: Duration = Duration::from_millis(200);
const PAGE: i32 = 200;

/// A look that takes longer was taken at a core that answers late.
const LATE: Duration = Duration::from_secs(1);

/// The truth, shared by those who learn of it.
#[derive(Debug, Clone)]
pub(crate) struct Known(Arc<Mutex<Truth>>);

impl Known {
    /// Nothing is known yet.
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Truth::new(topics::all().len()))))
    }

    /// Looks at the truth, or adds to it.
    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut Truth) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Where it stands in each topic.
#[derive(Debug)]
pub(crate) struct Recorder {
    core: CoreClient,
    known: Known,
    clock: Clock,
    after: Vec<String>,
    faults: Vec<String>,
}

impl Recorder {
    /// Stands before the first event.
    pub(crate) fn new(core: SocketAddr, token: &str, known: Known, clock: Clock) -> Self {
        let after = vec![String::new(); topics::all().len()];
        Self { core: CoreClient::service(core, token), known, clock, after, faults: Vec::new() }
    }

    /// Reads until it has everything that was there when it began.
    pub(crate) async fn catch_up(&mut self) {
        while self.look().await.is_err() {
            tokio::time::sleep(EVERY).await;
        }
    }

    /// A log begun anew is read from its oldest event.
    pub(crate) async fn begin_epoch(&mut self, restore: Restore) {
        self.known.with(|truth| truth.begin_epoch(restore));
        self.after.iter_mut().for_each(String::clear);
        self.catch_up().await;
    }

    /// What is wrong with the log itself.
    pub(crate) fn faults(&self) -> &[String] {
        &self.faults
    }

    /// One look at every topic. Where the machine itself is too busy, nobody can be blamed for being late.
    async fn look(&mut self) -> Result<(), Status> {
        let begun = self.clock.now();
        let looked = self.look_at_all().await;
        let ended = self.clock.now();
        if ended - begun > LATE {
            self.known.with(|truth| truth.slow.push((begun, ended)));
        }
        looked
    }

    async fn look_at_all(&mut self) -> Result<(), Status> {
        for (topic, name) in topics::all().into_iter().enumerate() {
            while self.read(topic, name).await? {}
            if topics::BRIEF.contains(&name) {
                let asked = self.clock.now();
                let oldest = self.core.events(name, "", 1).await?;
                let oldest = oldest.first().map(|event| event.cursor.as_str());
                self.known.with(|truth| truth.keep(topic, asked, oldest));
            }
        }
        Ok(())
    }

    /// Reads a page; whether there may be more.
    async fn read(&mut self, topic: usize, name: &str) -> Result<bool, Status> {
        let events = match self.core.events(name, &self.after[topic], PAGE).await {
            Ok(events) => events,
            Err(status) if matches!(status.code(), Code::OutOfRange | Code::InvalidArgument) => {
                self.faults.push(format!(
                    "{name}: the history does not go on after {:?}: {status:?}",
                    self.after[topic]
                ));
                self.after[topic].clear();
                return Err(status);
            }
            Err(status) => return Err(status),
        };
        let is_whole = events.len() == PAGE as usize;
        for event in events {
            let after = std::mem::replace(&mut self.after[topic], event.cursor.clone());
            if !after.is_empty() && after != event.previous {
                self.faults
                    .push(format!("{name}: {} follows {after}, and says {}", event.cursor, event.previous));
            }
            let recorded = match number(&event) {
                Some(number) => self.known.with(|truth| truth.record(topic, number, &event.cursor)),
                None => Err(format!("{name}: {event:?} is of nobody here")),
            };
            self.faults.extend(recorded.err());
        }
        Ok(is_whole)
    }
}

/// The number at the beginning of an event's text.
fn number(event: &lastmile_proto::v1::SubscribeResponse) -> Option<u64> {
    use lastmile_proto::v1::subscribe_response::Body;
    use prost_types::value::Kind;
    match event.body.as_ref()? {
        Body::Data(prost_types::Value { kind: Some(Kind::StringValue(text)) }) => {
            text.split(' ').next()?.parse().ok()
        }
        _ => None,
    }
}

/// Keeps looking until its owner is gone.
pub(crate) async fn keep_looking(recorder: Arc<tokio::sync::Mutex<Recorder>>) {
    loop {
        let _ = recorder.lock().await.look().await;
        tokio::time::sleep(EVERY).await;
    }
}
