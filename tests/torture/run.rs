//! One run: everything is put up, hurt for a while, left alone, and looked at.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, RwLock, watch};
use tokio::task::JoinSet;

use crate::chaos::Chaos;
use crate::checker::check;
use crate::clock::Clock;
use crate::core_client::CoreClient;
use crate::history::{History, Outcome, Seen, topics};
use crate::plan::Plan;
use crate::publisher::Publisher;
use crate::recorder::{Known, Recorder, keep_looking};
use crate::seed::Seed;
use crate::stage::Stage;
use crate::subscriber::{Reached, cast, subscribe};
use crate::tally::Tally;
use crate::truth::Truth;
use crate::violation::{Violation, story};

/// Once faults are over, everyone must have the last event within this time.
const CATCH_UP: Duration = Duration::from_secs(30);

/// What a run showed.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) histories: Vec<History>,
    pub(crate) truth: Truth,
    /// Each with the number of its history.
    pub(crate) violations: Vec<(usize, Violation)>,
    /// What is wrong with the log itself.
    pub(crate) faults: Vec<String>,
}

impl Report {
    /// The worst of it, told at length.
    pub(crate) fn stories(&self, count: usize) -> Vec<String> {
        let faults = self.faults.iter().map(|fault| format!("the log: {fault}\n"));
        let stories = self
            .violations
            .iter()
            .map(|(number, violation)| story(violation, &self.histories[*number], &self.truth.acts));
        faults.chain(stories).take(count).collect()
    }
}

/// Runs with this many edges in front of a core (none: in one process) for a while.
pub(crate) async fn run(seed: Seed, edges: usize, length: Duration, tally: &Tally) -> Report {
    let clock = Clock::start();
    let stage = Arc::new(Stage::start(edges, seed, tally).await);
    let admin = CoreClient::admin(stage.grpc).await.expect("an administrator");
    let token = admin.furnish().await.expect("topics and users");
    let known = Known::new();
    let recorder = Recorder::new(stage.grpc, &token, known.clone(), clock);
    let recorder = Arc::new(Mutex::new(recorder));
    let recording = tokio::spawn(keep_looking(Arc::clone(&recorder)));

    let gate = Arc::new(RwLock::new(()));
    let (published_all, no_more) = watch::channel(false);
    let (mut publishing, mut last) = (JoinSet::new(), Vec::new());
    let caller = Publisher::caller(stage.publish, &token);
    for topic in 0..topics::all().len() {
        let publisher = Publisher {
            core: caller.clone(),
            topic,
            random: seed.part(&format!("publisher {topic}")),
            known: known.clone(),
            clock,
            gate: Arc::clone(&gate),
            last: Arc::new(AtomicU64::new(0)),
            pace: Duration::from_millis(110),
        };
        last.push(Arc::clone(&publisher.last));
        publishing.spawn(publisher.publish_until(no_more.clone()));
    }

    // Whoever begins at once must find that every topic has a last event: a position before all events has no number.
    while !last.iter().all(|last| last.load(Ordering::SeqCst) > 0) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (seen_all, leave) = watch::channel(false);
    let (mut reading, mut reached) = (Vec::new(), Vec::new());
    for (number, part) in cast().into_iter().enumerate() {
        tally.count(&format!("{} subscribers", part.face.name()));
        let reader = part.reader(number, seed, clock, &stage.fronts);
        reached.push((Arc::clone(&reader.reached), reader.history.topics.clone()));
        reading.push(tokio::spawn(subscribe(reader, part.face, leave.clone())));
    }

    let chaos = Chaos {
        stage: Arc::clone(&stage),
        known: known.clone(),
        clock,
        tally: tally.clone(),
        recorder: Arc::clone(&recorder),
        gate,
        rights: Arc::default(),
    };
    chaos.carry_out(Plan::new(seed, length, edges)).await;
    let left = length.saturating_sub(clock.now());
    tokio::time::sleep(left).await;
    stage.calm();
    known.with(|truth| truth.calm = Some(clock.now()));

    // Who was told of a gap stands at the end, and needs another event to show it.
    let goal: Vec<u64> = last.iter().map(|last| last.load(Ordering::SeqCst) + 3).collect();
    wait_for(&reached, &goal).await;
    published_all.send_replace(true);
    while publishing.join_next().await.is_some_and(|published| published.is_ok()) {}
    assert!(publishing.is_empty(), "a publisher failed");
    let goal: Vec<u64> = last.iter().map(|last| last.load(Ordering::SeqCst)).collect();
    wait_for(&reached, &goal).await;
    seen_all.send_replace(true);
    let mut histories = Vec::new();
    for history in reading {
        histories.push(history.await.expect("a subscriber without a panic"));
    }
    let mut recorder = recorder.lock().await;
    recorder.catch_up().await;
    recording.abort();
    let truth = known.with(|truth| truth.clone());
    let faults = [recorder.faults(), &truth.faults()].concat();
    judge(histories, truth, faults, tally)
}

/// Waits until everyone has these events of what they read, but not for ever: the checker tells who has not.
async fn wait_for(reached: &[(Reached, Vec<usize>)], goal: &[u64]) {
    let has_all = |(reached, topics): &(Reached, Vec<usize>)| {
        topics.iter().all(|topic| reached[*topic].load(Ordering::Relaxed) >= goal[*topic])
    };
    let all = async {
        while !reached.iter().all(has_all) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let _ = tokio::time::timeout(CATCH_UP, all).await;
}

fn judge(histories: Vec<History>, truth: Truth, faults: Vec<String>, tally: &Tally) -> Report {
    let mut violations = Vec::new();
    for (number, history) in histories.iter().enumerate() {
        violations.extend(check(history, &truth).into_iter().map(|violation| (number, violation)));
        for entry in &history.entries {
            count(&entry.seen, history, tally);
        }
    }
    tally.add("events published", truth.published() as u64);
    tally.add("violations", (violations.len() + faults.len()) as u64);
    Report { histories, truth, violations, faults }
}

fn count(seen: &Seen, history: &History, tally: &Tally) {
    match seen {
        Seen::Event { .. } => tally.count("deliveries checked"),
        Seen::Asked { .. } => tally.count(&format!("{} requests", history.face)),
        Seen::Opened(streams) => {
            for stream in streams {
                match &stream.outcome {
                    Outcome::Resumed => tally.count("streams resumed"),
                    Outcome::Gap(reason) => tally.count(&format!("gaps: {reason}")),
                    Outcome::Fresh => {}
                }
            }
        }
        Seen::Closed { reason } | Seen::Failed { reason } | Seen::Refused { reason, .. } => {
            tally.count(&format!("told: {reason}"));
        }
        _ => {}
    }
}
