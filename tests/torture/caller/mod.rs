//! Callers: clients of sessions that do something by them, whatever becomes of their connections.
//!
//! Each makes unary calls with an effect, reads what they did by a stream, and changes a document in a conversation, all in
//! one session, which it carries from connection to connection and from one kind of carrier to the other.

mod carrier;
mod numbers;
mod talk;
mod work;
mod frames;
mod trick;

use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::Rng;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::clock::Clock;
use crate::deeds::{Deed, Deeds, Done};
use crate::history::{History, topics};
use crate::recorder::Known;
use crate::seed::Seed;
use crate::subscriber::{PATIENCE, Reached, Reader, is_of_token, one_of_name};
use crate::tally::Tally;

use carrier::{Failed, ask_to_move};
use numbers::Numbers;
use work::Work;

pub(crate) use carrier::{Carrier, Way};
pub(crate) use trick::Trick;

/// What a caller needs at the end, when nothing disturbs it any more.
const LAST: Duration = Duration::from_secs(40);

/// Names of sessions that are open, for those who would like to have them.
pub(crate) type Names = Arc<Mutex<Vec<String>>>;

/// One caller.
pub(crate) struct Caller {
    reader: Reader,
    deeds: Deeds,
    numbers: Numbers,
    /// The edge that has the session.
    edge: usize,
    work: Work,
    /// Frames that are to be sent.
    outgoing: Vec<Value>,
    /// When the token was last renewed.
    renewed: Option<Instant>,
    is_leaving: bool,
    /// What became of connections that newer ones took the session from.
    superseded: JoinSet<Option<String>>,
    names: Names,
    known: Known,
    tally: Tally,
}

/// Why a connection is of no more use.
enum Gone {
    Cut,
    /// The edge says so; of tokens, new ones cure it.
    Told(String),
    /// All that was to be done is done.
    Done,
}

impl Caller {
    /// Of the topic of this number; has done nothing yet. `last`: number of its last event that was answered.
    pub(crate) fn new(
        number: usize,
        (seed, clock): (Seed, Clock),
        edges: &[SocketAddr],
        last: Arc<AtomicU64>,
        (names, known, tally): (Names, Known, Tally),
    ) -> Self {
        let topic = topics::CALLS[number];
        let reader = one_of_name(topic, topic, (seed, clock), edges);
        let index = reader.history.topics[0];
        Self {
            deeds: Deeds { name: format!("caller {number}"), topic: Some(index), all: Vec::new() },
            work: Work::new(topic, last),
            reader,
            numbers: Numbers::default(),
            edge: 0,
            outgoing: Vec::new(),
            renewed: None,
            is_leaving: false,
            superseded: JoinSet::new(),
            names,
            known,
            tally,
        }
    }

    /// The same, who plays a trick on whoever checks what it did.
    pub(crate) fn tricky(mut self, trick: Trick) -> Self {
        self.work.trick = Some(trick);
        self.deeds.name = format!("{} with {trick:?}", self.deeds.name);
        self
    }

    /// What it has read so far, and which topics that is about.
    pub(crate) fn reached(&self) -> (Reached, Vec<usize>) {
        (Arc::clone(&self.reader.reached), self.reader.history.topics.clone())
    }

    /// Calls until told to end; what was begun is ended first.
    pub(crate) async fn call_until(mut self, mut no_more: watch::Receiver<bool>) -> (Deeds, History) {
        let end = {
            let mut no_more = no_more.clone();
            async move {
                let _ = no_more.wait_for(|no_more| *no_more).await;
                sleep(LAST).await;
            }
        };
        tokio::select! {
            () = self.attend(&mut no_more) => {}
            () = end => {}
        }
        while let Some(told) = self.superseded.join_next().await {
            if let Ok(Some(reason)) = told {
                self.did(Deed::Superseded { reason });
            }
        }
        (self.deeds, self.reader.history)
    }

    async fn attend(&mut self, no_more: &mut watch::Receiver<bool>) {
        loop {
            while self.reader.credential.is_missing() && !self.reader.renew().await {
                self.reader.pause(Duration::from_millis(300)).await;
            }
            let gone = match self.connect().await {
                Ok(mut carrier) => self.live(&mut carrier, no_more).await,
                Err(gone) => gone,
            };
            match gone {
                Gone::Done => return,
                Gone::Told(reason) if is_of_token(&reason) => _ = self.reader.renew().await,
                Gone::Told(_) | Gone::Cut => {}
            }
            self.reader.pause(Duration::from_millis(200)).await;
            // Shorter than a session is kept; a trick is to be played within seconds.
            if self.work.trick.is_none() {
                self.reader.nap().await;
            }
        }
    }

    fn did(&mut self, deed: Deed) {
        self.deeds.all.push(Done { at: self.reader.clock.now(), deed });
    }

    /// A connection that has the session, which is a new one where there was none or it is gone.
    async fn connect(&mut self) -> Result<Carrier, Gone> {
        let has_session = !self.numbers.session.is_empty();
        let random = &mut self.reader.random;
        let (edge, base) = match has_session && random.random_bool(0.85) {
            true => (self.edge, format!("http://{}", self.reader.edges[self.edge])),
            false => self.reader.edge(),
        };
        let random = &mut self.reader.random;
        let way = if random.random_bool(0.65) { Way::Socket } else { Way::Leg };
        let moves = has_session && edge == self.edge && random.random_bool(0.2);
        let mut hello = json!({ "session": self.numbers.session, "received": self.numbers.received });
        if moves {
            match ask_to_move(&self.reader, &base, &self.numbers.session).await {
                Ok(ticket) => hello = json!({ "ticket": ticket, "received": self.numbers.received }),
                Err(failed) => return Err(self.failed(failed, edge)),
            }
        }
        let mut carrier = match Carrier::connect(&self.reader, &base, way, &hello).await {
            Ok(carrier) => carrier,
            Err(failed) => return Err(self.failed(failed, edge)),
        };
        self.be_ready(&mut carrier, (edge, way)).await?;
        if moves {
            self.tally.count("sessions moved to a new page load");
        }
        Ok(carrier)
    }

    fn failed(&mut self, failed: Failed, edge: usize) -> Gone {
        match failed {
            Failed::Cut => Gone::Cut,
            Failed::Refused(reason) if reason == "SESSION_UNKNOWN" => {
                self.lose(edge);
                Gone::Told(reason)
            }
            Failed::Refused(reason) => Gone::Told(reason),
        }
    }

    /// Hears `ready`; says hello once more where the session is unknown and the connection can go on.
    async fn be_ready(&mut self, carrier: &mut Carrier, (edge, way): (usize, Way)) -> Result<(), Gone> {
        loop {
            let heard = timeout(PATIENCE, carrier.hear()).await.ok().flatten();
            let frame = heard.ok_or(Gone::Cut)?;
            if let Some(reason) = frame["goaway"]["reason"].as_str() {
                if reason != "session_unknown" {
                    return Err(Gone::Told(reason.to_owned()));
                }
                self.lose(edge);
                if way == Way::Leg {
                    return Err(Gone::Told(reason.to_owned()));
                }
                let mut hello = json!({});
                if let Some(token) = self.reader.credential.token() {
                    hello["token"] = json!(token);
                }
                let hello = json!({ "hello": hello });
                carrier.send(&self.reader, "", 1, &[hello]).await.ok_or(Gone::Cut)?;
                continue;
            }
            return self.ready(&frame["ready"], edge).map_err(|what| {
                self.did(Deed::Malformed { what });
                Gone::Cut
            });
        }
    }

    fn ready(&mut self, ready: &Value, edge: usize) -> Result<(), String> {
        let name = ready["session"].as_str().ok_or_else(|| format!("no session in {ready}"))?;
        let received = ready["received"].as_u64().unwrap_or_default();
        self.reader
            .see(crate::history::Seen::Asked { edge, cursor: self.reader.cursor.as_deref().map(Into::into) });
        if self.numbers.session.is_empty() {
            self.numbers = Numbers::of(name);
            self.edge = edge;
            self.names.lock().unwrap_or_else(PoisonError::into_inner).push(name.to_owned());
            self.did(Deed::Began { edge });
        } else if self.numbers.session != name {
            return Err(format!("{name} is another session than the one that was asked for"));
        } else {
            self.tally.count("sessions resumed");
            self.did(Deed::Resumed);
        }
        if !self.numbers.acknowledge(received) {
            return Err(format!("the edge has {received} frames, and {} were sent", self.numbers.sent()));
        }
        // In order: what the edge has not had, then what is new.
        self.outgoing = self.numbers.kept();
        self.work.stream_is_gone(received);
        Ok(())
    }

    /// The session is gone: nobody will ever know what became of its calls.
    fn lose(&mut self, edge: usize) {
        if !self.numbers.session.is_empty() {
            self.did(Deed::Lost { edge });
            self.forget();
        }
    }

    fn forget(&mut self) {
        for deed in self.work.forget() {
            self.did(deed);
        }
        let name = std::mem::take(&mut self.numbers).session;
        self.names.lock().unwrap_or_else(PoisonError::into_inner).retain(|one| *one != name);
        self.outgoing.clear();
    }

    /// Uses a connection for as long as chance has it.
    async fn live(&mut self, carrier: &mut Carrier, no_more: &mut watch::Receiver<bool>) -> Gone {
        let mut heard = Instant::now();
        let mut until = self.next_switch();
        loop {
            if !self.outgoing.is_empty() {
                let frames = std::mem::take(&mut self.outgoing);
                let counted = frames.iter().filter(|frame| frames::is_counted(frame)).count() as u64;
                let first = self.numbers.sent() + 1 - counted;
                let session = self.numbers.session.clone();
                if carrier.send(&self.reader, &session, first, &frames).await.is_none() {
                    return Gone::Cut;
                }
            }
            let patience = carrier.patience();
            let step = Duration::from_millis(self.reader.random.random_range(20..160));
            tokio::select! {
                frame = carrier.hear() => {
                    let Some(frame) = frame else { return Gone::Cut };
                    heard = Instant::now();
                    if let Some(gone) = self.take(&frame).await {
                        return gone;
                    }
                }
                () = sleep(step) => {
                    self.is_leaving |= *no_more.borrow();
                    if self.work_on() {
                        return Gone::Done;
                    }
                    if heard.elapsed() > patience {
                        return Gone::Cut;
                    }
                    if matches!(carrier, Carrier::Socket(_)) && heard.elapsed() > patience / 3 {
                        self.outgoing.push(json!({ "ping": {} }));
                    }
                }
                () = sleep_until(until) => {
                    if self.work.trick == Some(Trick::GiveUp) {
                        self.lose(self.edge);
                        return Gone::Cut;
                    }
                    if self.reader.random.random_bool(0.5) {
                        return Gone::Cut;
                    }
                    if let Err(gone) = self.supersede(carrier).await {
                        return gone;
                    }
                    (heard, until) = (Instant::now(), self.next_switch());
                }
            }
        }
    }

    fn next_switch(&mut self) -> Instant {
        let lives = match self.is_leaving {
            true => 20_000..30_000,
            false if self.work.trick.is_some() => 500..1500,
            false => 500..7000,
        };
        Instant::now() + Duration::from_millis(self.reader.random.random_range(lives))
    }

    /// Takes the session to another connection while this one is there; the edge must end this one.
    async fn supersede(&mut self, carrier: &mut Carrier) -> Result<(), Gone> {
        let session = self.numbers.session.clone();
        let newer = self.connect().await?;
        let older = std::mem::replace(carrier, newer);
        if self.numbers.session == session {
            self.tally.count("sessions taken over by a second connection");
            self.superseded.spawn(last_reason(older));
        }
        Ok(())
    }
}

/// What an older connection is told when it is not cut before that.
async fn last_reason(mut older: Carrier) -> Option<String> {
    let mut reason = None;
    let hear = async {
        while let Some(frame) = older.hear().await {
            if let Some(given) = frame["goaway"]["reason"].as_str() {
                reason = Some(given.to_owned());
            }
        }
    };
    // What a proxy holds back for ever is nobody's fault.
    let _ = timeout(PATIENCE, hear).await;
    reason.filter(|reason| reason != "drain")
}
