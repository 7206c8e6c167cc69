//! A stage with publishers and a recorder at work, until the subscribers have seen enough.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, RwLock, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::caller::{Caller, Names, Trick};
use crate::clock::Clock;
use crate::core_client::CoreClient;
use crate::deeds::Deeds;
use crate::history::{History, topics};
use crate::liar::lie_until;
use crate::publisher::Publisher;
use crate::recorder::{Known, Recorder, keep_looking};
use crate::seed::Seed;
use crate::stage::Stage;
use crate::subscriber::{Face, Reached, Reader, subscribe};
use crate::tally::Tally;
use crate::truth::Truth;

/// Once faults are over, everyone must have the last event within this time.
const CATCH_UP: Duration = Duration::from_secs(30);

/// Mean time between two events of a topic, and of the quiet one: there most connections see no event at all.
const PACE: Duration = Duration::from_millis(110);
const QUIET_PACE: Duration = Duration::from_millis(2500);

/// Everything at work.
#[derive(Debug)]
pub(crate) struct Show {
    pub(crate) stage: Arc<Stage>,
    pub(crate) known: Known,
    pub(crate) clock: Clock,
    pub(crate) recorder: Arc<Mutex<Recorder>>,
    /// Publishers hold it while they publish.
    pub(crate) gate: Arc<RwLock<()>>,
    recording: JoinHandle<()>,
    publishing: JoinSet<()>,
    no_more: watch::Sender<bool>,
    /// Number of the last event of each topic.
    last: Vec<Arc<AtomicU64>>,
    reading: Vec<JoinHandle<History>>,
    calling: Vec<JoinHandle<(Deeds, History)>>,
    lying: Vec<JoinHandle<Deeds>>,
    /// Sessions of callers.
    names: Names,
    tally: Tally,
    leave: watch::Sender<bool>,
    reached: Vec<(Reached, Vec<usize>)>,
}

impl Show {
    /// Starts this many edges in front of a core (none: both in one process), and publishers to all topics.
    pub(crate) async fn begin(seed: Seed, edges: usize, tally: &Tally) -> Self {
        let clock = Clock::start();
        let stage = Arc::new(Stage::start(edges, seed, tally).await);
        let known = Known::new();
        let recorder = Recorder::new(stage.grpc, &stage.token, known.clone(), clock);
        let recorder = Arc::new(Mutex::new(recorder));
        let mut show = Self {
            recording: tokio::spawn(keep_looking(Arc::clone(&recorder))),
            gate: Arc::default(),
            publishing: JoinSet::new(),
            no_more: watch::Sender::new(false),
            last: Vec::new(),
            reading: Vec::new(),
            calling: Vec::new(),
            lying: Vec::new(),
            names: Names::default(),
            tally: tally.clone(),
            leave: watch::Sender::new(false),
            reached: Vec::new(),
            stage,
            known,
            clock,
            recorder,
        };
        show.publish(seed).await;
        show
    }

    async fn publish(&mut self, seed: Seed) {
        let caller = CoreClient::service(self.stage.publish, &self.stage.token);
        for topic in 0..topics::all().len() {
            let publisher = Publisher {
                core: caller.clone(),
                topic,
                random: seed.part(&format!("publisher {topic}")),
                known: self.known.clone(),
                clock: self.clock,
                gate: Arc::clone(&self.gate),
                last: Arc::default(),
                pace: if topics::all()[topic] == topics::QUIET { QUIET_PACE } else { PACE },
            };
            self.last.push(Arc::clone(&publisher.last));
            if topics::CALLS.contains(&topics::all()[topic]) {
                // The rest is its caller's.
                self.publishing.spawn(publisher.publish_one());
                continue;
            }
            self.publishing.spawn(publisher.publish_until(self.no_more.subscribe()));
        }
        // A position before the first event of a topic is no event's, and could not be told from others.
        while !self.last.iter().all(|last| last.load(Ordering::SeqCst) > 0) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Somebody begins to read.
    pub(crate) fn admit(&mut self, reader: Reader, face: Face) {
        self.reached.push((Arc::clone(&reader.reached), reader.history.topics.clone()));
        self.reading.push(tokio::spawn(subscribe(reader, face, self.leave.subscribe())));
    }

    /// Somebody begins to make calls by these fronts, with a trick or without.
    pub(crate) fn admit_caller(&mut self, number: usize, seed: Seed, trick: Option<Trick>) {
        let last = topics::index(topics::CALLS[number]).map(|topic| Arc::clone(&self.last[topic]));
        let (last, kept) =
            (last.unwrap_or_default(), (Arc::clone(&self.names), self.known.clone(), self.tally.clone()));
        let caller = Caller::new(number, (seed, self.clock), &self.stage.fronts, last, kept);
        let caller = match trick {
            Some(trick) => caller.tricky(trick),
            None => caller,
        };
        self.reached.push(caller.reached());
        self.calling.push(tokio::spawn(caller.call_until(self.no_more.subscribe())));
    }

    /// Somebody begins to break the rules.
    pub(crate) fn admit_liar(&mut self, seed: Seed) {
        let (edges, names) = (self.stage.fronts.clone(), Arc::clone(&self.names));
        let told = lie_until(edges, (seed, self.clock), names, self.tally.clone(), self.no_more.subscribe());
        self.lying.push(tokio::spawn(told));
    }

    /// Harms nobody any more, waits until everyone has everything, and ends; the checker tells who has not.
    ///
    /// Returns what was seen and done, what was so, and what is wrong with the log and the processes themselves.
    pub(crate) async fn end(mut self) -> (Vec<History>, Vec<Deeds>, Truth, Vec<String>) {
        self.stage.calm();
        self.known.with(|truth| truth.calm = Some(self.clock.now()));
        // Whoever was told of a gap stands at the end, and needs another event to show it.
        self.wait_for(3).await;
        self.no_more.send_replace(true);
        while let Some(published) = self.publishing.join_next().await {
            published.expect("a publisher without a panic");
        }
        let (mut histories, mut deeds) = (Vec::new(), Vec::new());
        for lying in self.lying.drain(..) {
            deeds.push(lying.await.expect("a liar without a panic"));
        }
        for calling in self.calling.drain(..) {
            let (done, history) = calling.await.expect("a caller without a panic");
            deeds.push(done);
            histories.push(history);
        }
        self.wait_for(0).await;
        self.leave.send_replace(true);
        for history in self.reading {
            histories.push(history.await.expect("a subscriber without a panic"));
        }
        self.recording.abort();
        let mut recorder = self.recorder.lock().await;
        recorder.catch_up().await;
        let mut truth = self.known.with(|truth| truth.clone());
        let core = CoreClient::service(self.stage.grpc, &self.stage.token);
        for name in topics::CALLS {
            let document = core.document(name).await.expect("a core that is left alone");
            truth.documents.insert(name.to_owned(), document);
        }
        let faults = [recorder.faults(), &truth.faults(), &self.stage.panics().await].concat();
        (histories, deeds, truth, faults)
    }

    /// Waits until everyone has so many events more than are published now, but not for ever.
    async fn wait_for(&self, more: u64) {
        let goal: Vec<u64> = self.last.iter().map(|last| last.load(Ordering::SeqCst) + more).collect();
        let has_all = |(reached, topics): &(Reached, Vec<usize>)| {
            topics.iter().all(|topic| reached[*topic].load(Ordering::Relaxed) >= goal[*topic])
        };
        let all = async {
            while !self.reached.iter().all(has_all) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let _ = tokio::time::timeout(CATCH_UP, all).await;
    }
}
