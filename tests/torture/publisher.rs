//! Publishes numbered events to one topic, each once, whatever becomes of the calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use tokio::sync::{RwLock, watch};
use tonic::Code;

use crate::clock::Clock;
use crate::core_client::CoreClient;
use crate::history::topics;
use crate::recorder::Known;

/// Events that may be published before the recorder has seen them: fewer than a brief topic keeps.
const AHEAD: u64 = 20;

/// Bytes that make the events of a brief topic push each other out.
const BRIEF_PADDING: usize = 1500;

/// Publishes to one topic.
#[derive(Debug)]
pub(crate) struct Publisher {
    pub(crate) core: CoreClient,
    pub(crate) topic: usize,
    pub(crate) random: StdRng,
    pub(crate) known: Known,
    pub(crate) clock: Clock,
    /// Closed while the log is begun anew.
    pub(crate) gate: Arc<RwLock<()>>,
    /// Number of the last event that was acknowledged.
    pub(crate) last: Arc<AtomicU64>,
    /// Mean time between two events.
    pub(crate) pace: Duration,
}

impl Publisher {
    /// Publishes until told to end; what was begun is ended first.
    pub(crate) async fn publish_until(mut self, mut ended: watch::Receiver<bool>) {
        let mut number = self.last.load(Ordering::SeqCst);
        while !*ended.borrow_and_update() {
            let burst = if self.random.random_bool(0.03) { self.random.random_range(2..12) } else { 1 };
            for _ in 0..burst {
                number += 1;
                let gate = Arc::clone(&self.gate);
                let _open = gate.read().await;
                self.publish(number).await;
            }
            let pause = self.pace.mul_f64(self.random.random_range(0.1..1.9));
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = ended.changed() => {}
            }
        }
    }

    /// Publishes the first event, and no other.
    pub(crate) async fn publish_one(mut self) {
        self.publish(1).await;
    }

    async fn publish(&mut self, number: u64) {
        let name = topics::all()[self.topic];
        let is_brief = topics::BRIEF.contains(&name);
        let padding = if is_brief { BRIEF_PADDING } else { self.random.random_range(0..120) };
        let topic = self.topic;
        self.known.with(|truth| truth.ask(topic, number, self.clock.now()));
        let cursor = loop {
            match self.core.publish(name, number, padding).await {
                Ok(cursor) => break cursor,
                Err(status) => {
                    let is_refused = matches!(
                        status.code(),
                        Code::AlreadyExists
                            | Code::InvalidArgument
                            | Code::NotFound
                            | Code::PermissionDenied
                            | Code::Unauthenticated
                    );
                    assert!(!is_refused, "{name}#{number} was refused: {status:?}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        };
        self.known.with(|truth| truth.acknowledge(topic, number, &cursor));
        self.last.store(number, Ordering::SeqCst);
        if is_brief {
            self.wait_for_the_record(number).await;
        }
    }

    /// Retention must not delete what the recorder has not seen.
    async fn wait_for_the_record(&self, number: u64) {
        let recorded = || {
            self.known.with(|truth| {
                let last = truth.last(self.topic);
                last.and_then(|place| truth.number(self.topic, place)).unwrap_or_default()
            })
        };
        while recorded() + AHEAD < number {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
