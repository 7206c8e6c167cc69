//! Whatever breaks, a subscriber who reconnects with the last id sees every event once and in order, or hears of a gap.

use std::collections::HashMap;
use std::mem;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::BodyExt;
use lastmile_edge::config::DrainConfig;
use lastmile_edge::deliver::{Pace, Sse, body};
use lastmile_edge::drain::Drain;
use lastmile_edge::ending::Ending;
use lastmile_edge::error_style::ErrorStyle;
use lastmile_edge::identity::Standing;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};
use tonic::Code;

use crate::arbitrary::unrecorded;
use crate::backend::{Act, Backend, event, failure, pause, position};
use crate::subscriber::{Ask, subscribe};

/// How one call of the backend goes.
#[derive(Debug, Clone)]
struct Trip {
    /// Events committed while nobody was connected.
    before: u32,
    /// Older events are forgotten meanwhile.
    trims: bool,
    /// Events committed during the call.
    during: u32,
    /// The event left out of those, if it is one of them.
    hole: u32,
    /// A position is sent behind the event with this place.
    position: u32,
    stop: Stop,
}

#[derive(Debug, Clone, Copy)]
enum Stop {
    Unavailable,
    Cut,
    Tear,
    Reset,
    Hang,
}

fn trip() -> impl Strategy<Value = Trip> {
    let stop = prop_oneof![
        Just(Stop::Unavailable),
        Just(Stop::Cut),
        Just(Stop::Tear),
        Just(Stop::Reset),
        Just(Stop::Hang),
    ];
    (0..4_u32, proptest::bool::weighted(0.2), 0..6_u32, 0..20_u32, 0..12_u32, stop).prop_map(
        |(before, trims, during, hole, position, stop)| Trip { before, trims, during, hole, position, stop },
    )
}

/// One topic of the backend: its events are the numbers up to `last`.
#[derive(Debug, Default)]
struct Topic {
    last: u32,
    trimmed: u32,
    /// A cursor was too old, so that a gap is due.
    gap_due: bool,
    trips: std::vec::IntoIter<Trip>,
}

impl Topic {
    fn answer(&mut self, after: Option<u32>) -> Vec<Act> {
        // When the script is over, a healthy call.
        let trip = self.trips.next().unwrap_or(Trip {
            before: 1,
            trims: false,
            during: 1,
            hole: u32::MAX,
            position: u32::MAX,
            stop: Stop::Hang,
        });
        self.last += trip.before;
        if trip.trims {
            self.trimmed = self.last;
        }
        if after.is_some_and(|after| after < self.trimmed) {
            self.gap_due = true;
            return vec![failure(Code::OutOfRange, "CURSOR_EXPIRED")];
        }
        let from = after.unwrap_or(self.last);
        self.last += trip.during;
        let mut acts = vec![position(from)];
        for number in from + 1..=self.last {
            let place = number - from;
            if place != trip.hole {
                acts.push(event(number));
            }
            if place == trip.position && place != trip.hole {
                acts.push(position(number));
            }
            if place.is_multiple_of(3) {
                acts.push(pause(1));
            }
        }
        acts.push(match trip.stop {
            Stop::Unavailable => failure(Code::Unavailable, "RESTARTING"),
            Stop::Cut => Act::Cut,
            Stop::Tear => Act::Tear,
            Stop::Reset => Act::Reset,
            Stop::Hang => Act::Hang,
        });
        acts
    }
}

type Topics = Arc<Mutex<HashMap<String, Topic>>>;

/// What the browser knows.
#[derive(Debug)]
struct Browser {
    topics: Topics,
    last_id: Option<String>,
    /// The next event of each topic; none before its first position.
    next: HashMap<String, Option<u32>>,
}

impl Browser {
    /// Takes a block of SSE as EventSource would; `names` are the topics in the order of the id.
    fn take(&mut self, block: &str, names: &[&str]) -> Result<(), TestCaseError> {
        let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
        let json = || serde_json::from_str::<Value>(field("data: ").unwrap_or("null")).expect("JSON");
        match field("event: ") {
            Some("lm-open") => {
                for stream in json()["streams"].as_array().expect("streams") {
                    let key = stream["key"].as_str().expect("a key");
                    let due = match stream["outcome"].as_str() {
                        Some("RESUMED") => continue,
                        Some("FRESH") => self.last_id.is_none(),
                        _ => self
                            .topics
                            .lock()
                            .expect("no panic")
                            .get_mut(key)
                            .is_some_and(|topic| mem::take(&mut topic.gap_due)),
                    };
                    prop_assert!(due, "{} in {:?}", block, self);
                    self.next.insert(key.to_owned(), None);
                }
            }
            Some("tick") => {
                let json = json();
                let number = json["number"].as_u64().expect("a number") as u32;
                let id = field("id: ").expect("an id");
                let moved =
                    names.iter().zip(id.split('~')).find(|(name, _)| self.is_next(name, number, id, names));
                prop_assert!(moved.is_some(), "{} is not next in {:?}", block, self);
            }
            _ => {}
        }
        if let Some(id) = field("id: ") {
            self.last_id = Some(id.to_owned());
            for (name, seen) in names.iter().zip(cursors(id)) {
                let next = self.next.entry((*name).to_owned()).or_default();
                // A cursor never passes an event that was not delivered.
                prop_assert!(next.is_none_or(|next| next == seen + 1), "{} in {:?}", block, self);
                self.next.insert((*name).to_owned(), Some(seen + 1));
            }
        }
        Ok(())
    }

    /// Whether this is the next event of the topic, by the cursors in its id; then it is counted.
    fn is_next(&mut self, name: &str, number: u32, id: &str, names: &[&str]) -> bool {
        let index = names.iter().position(|other| *other == name).expect("a topic");
        let next = self.next.entry(name.to_owned()).or_default();
        let is_next = *next == Some(number) && cursors(id)[index] == number;
        if is_next {
            *next = Some(number + 1);
        }
        is_next
    }
}

fn cursors(id: &str) -> Vec<u32> {
    id.split('~').map(|one| one.rsplit('.').next().and_then(|n| n.parse().ok()).expect("a number")).collect()
}

async fn connect(
    backend: &Backend,
    browser: &mut Browser,
    names: &[&str],
    patience: usize,
) -> Result<(), TestCaseError> {
    let ask = Ask::new("Streams/Watch", json!({ "topics": names })).after(browser.last_id.clone());
    // A failure before the first byte is a refused connection: the browser tries again.
    let Ok(reader) = subscribe(backend, &ask).await else { return Ok(()) };
    let sse = Sse { retry: Duration::ZERO, heartbeat_events: false };
    let pace = Pace {
        heartbeat: Duration::from_secs(60),
        max_age: None,
        standing: Standing::default(),
        deadline: None,
        retry: Duration::ZERO,
        drain: Drain::new(&DrainConfig::default()),
        errors: ErrorStyle::default(),
        ending: Ending::default(),
    };
    let mut body = body(reader, Box::new(sse), pace);
    let mut blocks = 0;
    while let Some(Ok(frame)) = body.frame().await {
        let text = String::from_utf8(frame.into_data().expect("data").to_vec()).expect("UTF-8");
        for block in text.split_terminator("\n\n") {
            // Nothing more will come, or the browser goes away in the middle of what came.
            if block == ": hb" || blocks == patience {
                return Ok(());
            }
            blocks += 1;
            browser.take(block, names)?;
        }
    }
    Ok(())
}

async fn play(names: &[&str], trips: Vec<Vec<Trip>>, patience: Vec<usize>) -> Result<(), TestCaseError> {
    let topics = names
        .iter()
        .zip(trips)
        .map(|(name, trips)| {
            let topic = Topic { last: 5, trips: trips.into_iter(), ..Topic::default() };
            ((*name).to_owned(), topic)
        })
        .collect();
    let topics: Topics = Arc::new(Mutex::new(topics));
    let model = Arc::clone(&topics);
    let backend = Backend::new(move |_, request| {
        let name = request["topic"].as_str().expect("a topic");
        let after = request["after"].as_str().map(|after| after.parse().expect("a number"));
        model.lock().expect("no panic").get_mut(name).expect("a known topic").answer(after)
    });
    let mut browser = Browser { topics: Arc::clone(&topics), last_id: None, next: HashMap::new() };
    for patience in patience {
        connect(&backend, &mut browser, names, patience).await?;
    }
    // By now the scripts are over: everything arrives.
    while topics.lock().expect("no panic").values().any(|topic| topic.trips.len() > 0) {
        connect(&backend, &mut browser, names, usize::MAX).await?;
    }
    // What goes on for those who have left comes to its end.
    tokio::time::sleep(Duration::from_secs(60)).await;
    connect(&backend, &mut browser, names, usize::MAX).await?;
    for (name, topic) in &*topics.lock().expect("no panic") {
        prop_assert_eq!(browser.next.get(name), Some(&Some(topic.last + 1)), "{}", name);
    }
    Ok(())
}

fn run(names: &[&str], trips: Vec<Vec<Trip>>, patience: Vec<usize>) -> Result<(), TestCaseError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(play(names, trips, patience))
}

proptest! {
    #![proptest_config(unrecorded())]

    #[test]
    fn one_stream_loses_and_repeats_nothing(trips in vec(trip(), 0..8), patience in vec(0..12_usize, 0..8)) {
        run(&["a"], vec![trips], patience)?;
    }

    #[test]
    fn two_streams_on_one_connection_lose_and_repeat_nothing(
        a in vec(trip(), 0..6),
        b in vec(trip(), 0..6),
        patience in vec(0..12_usize, 0..8),
    ) {
        run(&["a", "b"], vec![a, b], patience)?;
    }
}
