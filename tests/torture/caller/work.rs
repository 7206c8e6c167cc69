//! What a caller has under way, and what it begins next.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rand::Rng;
use serde_json::{Value, json};

use crate::deeds::Deed;
use crate::subscriber::StreamCall;

use super::Caller;
use super::talk::{Place, Talk};
use super::trick::Trick;

/// Unary calls that are made at once.
const AT_ONCE: usize = 3;

/// What is under way.
#[derive(Debug)]
pub(super) struct Work {
    /// Its topic and its document.
    name: &'static str,
    /// Number of the last event that was answered.
    last: Arc<AtomicU64>,
    /// Number of the last event that was asked for, and of the last change.
    asked: u64,
    changes: u64,
    /// The number of the last call.
    call: u64,
    /// Unary calls, and the events that they publish.
    pub(super) publishing: BTreeMap<u64, u64>,
    /// Calls whose end may still come.
    over: BTreeSet<u64>,
    pub(super) stream: StreamCall,
    pub(super) has_stream: bool,
    /// The number of the frame that opened the stream.
    opened_by: u64,
    /// A call that asks where the document is.
    pub(super) looking: Option<u64>,
    pub(super) place: Option<Place>,
    pub(super) talk: Option<Talk>,
    /// The event whose arrival is the end of everything.
    final_event: Option<u64>,
    pub(super) trick: Option<Trick>,
    held: Option<Deed>,
}

impl Work {
    pub(super) fn new(name: &'static str, last: Arc<AtomicU64>) -> Self {
        Self {
            name,
            asked: last.load(Ordering::Relaxed),
            last,
            changes: 0,
            call: 0,
            publishing: BTreeMap::new(),
            over: BTreeSet::new(),
            stream: StreamCall::default(),
            has_stream: false,
            opened_by: 0,
            looking: None,
            place: None,
            talk: None,
            final_event: None,
            trick: None,
            held: None,
        }
    }

    fn next_call(&mut self) -> u64 {
        self.call += 1;
        self.call
    }

    /// A connection is new: the stream went with the last one, unless its `open` comes to the edge only now.
    pub(super) fn stream_is_gone(&mut self, received: u64) {
        if self.opened_by <= received {
            self.has_stream = false;
        }
    }

    /// An event is in the log.
    pub(super) fn answered(&mut self, call: u64, number: u64) {
        self.publishing.remove(&call);
        self.over.insert(call);
        self.last.fetch_max(number, Ordering::SeqCst);
    }

    /// Whether a call has ended as far as this side is concerned.
    pub(super) fn is_over(&self, call: u64) -> bool {
        self.over.contains(&call)
    }

    /// Takes the answer of a look; gives the version.
    pub(super) fn look(&mut self, json: &Value) -> u64 {
        let version = json["document"]["version"].as_u64().unwrap_or_default();
        let cursor = json["cursor"].as_str().unwrap_or_default().to_owned();
        self.place = Some(Place { version, cursor });
        version
    }

    pub(super) fn credit(&mut self, credit: &Value) {
        if let Some(talk) = &mut self.talk
            && credit["call"].as_u64() == Some(talk.call)
        {
            talk.credit(credit["messages"].as_u64().unwrap_or_default());
        }
    }

    /// The session is gone, and all calls with it.
    pub(super) fn forget(&mut self) -> Vec<Deed> {
        let calls = std::mem::take(&mut self.publishing);
        let mut deeds: Vec<Deed> = calls.into_values().map(|number| Deed::Unknown { number }).collect();
        deeds.extend(self.talk.take().map(|_| Deed::Forgotten));
        (self.call, self.looking, self.has_stream, self.opened_by) = (0, None, false, 0);
        self.stream = StreamCall::default();
        self.over.clear();
        deeds
    }

    /// What is remembered of a conversation by one who plays a trick.
    pub(super) fn tricked(&mut self, deed: Option<Deed>) -> Vec<Deed> {
        let (Some(trick), Some(deed)) = (self.trick, deed.clone()) else { return deed.into_iter().collect() };
        trick.play(deed, &mut self.held)
    }
}

impl Caller {
    /// Begins what is next; whether everything is done.
    pub(super) fn work_on(&mut self) -> bool {
        self.publish();
        self.read();
        self.converse();
        let work = &mut self.work;
        let is_idle = work.publishing.is_empty() && work.talk.is_none() && work.looking.is_none();
        if !self.is_leaving || !is_idle {
            return false;
        }
        let last = work.last.load(Ordering::SeqCst);
        // Everything that may still come has come when this one has.
        let final_event = *work.final_event.get_or_insert(work.asked + 1);
        if last < final_event {
            self.publish_one();
            return false;
        }
        let topic = self.reader.history.topics[0];
        self.reader.reached[topic].load(Ordering::Relaxed) >= final_event
    }

    fn publish(&mut self) {
        let is_time = !self.is_leaving && self.reader.random.random_bool(0.35);
        if is_time && self.work.publishing.len() < AT_ONCE {
            self.publish_one();
        }
    }

    fn publish_one(&mut self) {
        self.work.asked += 1;
        let number = self.work.asked;
        let (topic, now) = (self.reader.history.topics[0], self.reader.clock.now());
        self.known.with(|truth| truth.ask(topic, number, now));
        self.did(Deed::Asked { number });
        if self.work.trick == Some(Trick::InventAnswers) && number.is_multiple_of(5) {
            return self.did(Deed::Answered { number, cursor: "invented".into() });
        }
        let times = if self.work.trick == Some(Trick::CallTwice) && number.is_multiple_of(5) { 2 } else { 1 };
        for time in 0..times {
            let call = self.work.next_call();
            let open = json!({ "open": {
                "call": call,
                "method": "lastmile.v1.TopicService/PublishEvent",
                "json": { "topic": self.work.name, "type": "torture", "data": format!("{number} called") },
            }});
            self.send(Some(open));
            if time == 0 {
                self.work.publishing.insert(call, number);
            } else {
                self.work.over.insert(call);
            }
        }
    }

    fn read(&mut self) {
        if self.work.has_stream {
            return;
        }
        let call = self.work.next_call();
        let (stream, open) = StreamCall::open(call, &self.reader);
        (self.work.stream, self.work.has_stream) = (stream, true);
        self.send(Some(open));
        self.work.opened_by = self.numbers.sent();
    }

    fn converse(&mut self) {
        let random = &mut self.reader.random;
        let (is_time, changes) = (random.random_bool(0.25), random.random_range(3..30));
        let work = &mut self.work;
        if work.talk.is_none() {
            match work.place.clone() {
                _ if self.is_leaving => {}
                Some(place) => {
                    let call = work.next_call();
                    let (talk, open) = Talk::open(call, work.name, &place, changes);
                    work.talk = Some(talk);
                    self.send(Some(open));
                }
                None if work.looking.is_none() => {
                    let (call, name) = (work.next_call(), work.name);
                    work.looking = Some(call);
                    self.send(Some(json!({ "open": {
                        "call": call,
                        "method": "lastmile.v1.DocumentService/GetDocument",
                        "json": { "id": name },
                    }})));
                }
                None => {}
            }
            return;
        }
        let version = work.place.as_ref().map_or(0, |place| place.version);
        let is_wanted = !self.is_leaving;
        let Some(talk) = &mut work.talk else { return };
        if is_time && is_wanted && talk.may_send() {
            work.changes += 1;
            let (change, frame) = (work.changes, talk.send(work.changes, version));
            self.did(Deed::Sent { change });
            self.send(Some(frame));
        } else {
            let close = talk.close(is_wanted);
            self.send(close);
        }
    }
}
