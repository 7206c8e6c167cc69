//! All sessions of an edge: found by name, counted by caller and address, bounded while nobody carries them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::config::SessionsConfig;
use crate::error::{Code, Error, Result};
use crate::hub::Reading;
use crate::layer::{AddressLimit, Place, Places};
use crate::session::Breaker;
use crate::session::breaker::Fate;
use crate::telemetry::Traces;

use super::channels::Channels;
use super::counts::Counts;
use super::mailbox::Mailbox;

/// A ticket that moves a session begins with it.
pub const MOVE_PREFIX: &str = "lmm1.";
/// How long such a ticket is good.
const MOVE_LIFETIME: Duration = Duration::from_secs(30);
/// Such tickets at once.
const MOST_MOVES: usize = 4096;

/// The sessions of an edge.
#[derive(Debug)]
pub struct Sessions {
    pub config: SessionsConfig,
    pub channels: Channels,
    pub counts: Counts,
    /// Rates by address, which calls of sessions count too.
    pub rates: Arc<AddressLimit>,
    pub traces: Traces,
    /// What has to end before the edge does.
    pub tasks: TaskTracker,
    // Each held for a few lines, never across an await.
    known: Mutex<HashMap<String, Arc<Mailbox>>>,
    moves: Mutex<HashMap<String, Move>>,
    breaker: Mutex<Breaker>,
    callers: Arc<Places>,
    addresses: Arc<Places>,
    parked_bytes: AtomicUsize,
    began: Instant,
}

#[derive(Debug)]
struct Move {
    session: String,
    /// The token that the new page gets with it.
    authorization: Option<http::HeaderValue>,
    until: Instant,
}

/// A session that is there.
#[derive(Debug)]
pub struct Found(pub Arc<Mailbox>);

/// A session's place among the others; it is unknown when that is dropped.
#[derive(Debug)]
pub struct Stay {
    sessions: Arc<Sessions>,
    pub name: String,
    pub mailbox: Arc<Mailbox>,
    _places: [Option<Place>; 2],
    /// What it holds of the bytes of parked sessions.
    parked: usize,
}

impl Sessions {
    pub fn new(config: SessionsConfig, rates: Arc<AddressLimit>) -> Arc<Self> {
        Arc::new(Self {
            config,
            channels: Channels::default(),
            counts: Counts::default(),
            rates,
            traces: Traces::default(),
            tasks: TaskTracker::new(),
            known: Mutex::default(),
            moves: Mutex::default(),
            breaker: Mutex::default(),
            callers: Arc::default(),
            addresses: Arc::default(),
            parked_bytes: AtomicUsize::new(0),
            began: Instant::now(),
        })
    }

    /// Milliseconds since the edge began.
    pub fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Gives a new session its place and its name.
    ///
    /// # Errors
    /// RESOURCE_EXHAUSTED when the caller, or its address, has too many.
    pub fn stay(
        self: &Arc<Self>,
        identity: Reading,
        caller: Option<&str>,
        address: Option<IpAddr>,
    ) -> Result<Stay> {
        let SessionsConfig { per_caller, per_address, .. } = self.config;
        let caller =
            caller.map(|name| self.callers.take(&name, per_caller).ok_or_else(|| too_many("caller")));
        let address =
            address.map(|ip| self.addresses.take(&ip, per_address).ok_or_else(|| too_many("address")));
        let places = [caller.transpose()?, address.transpose()?];
        let name = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 18]>());
        let mailbox = Arc::new(Mailbox::new(identity));
        lock(&self.known).insert(name.clone(), Arc::clone(&mailbox));
        self.counts.opened.up();
        self.counts.open.up();
        Ok(Stay { sessions: Arc::clone(self), name, mailbox, _places: places, parked: 0 })
    }

    /// The session of this name, for this caller; another's is as unknown as one that is not there.
    pub fn find(&self, name: &str, identity: &Reading) -> Option<Found> {
        let mailbox = lock(&self.known).get(name).cloned();
        mailbox.filter(|mailbox| mailbox.identity == *identity).map(Found)
    }

    /// Gives a ticket that moves a session to another page, once and soon.
    pub fn give_move(&self, session: &str, authorization: Option<http::HeaderValue>) -> String {
        let mut moves = lock(&self.moves);
        if moves.len() >= MOST_MOVES {
            moves.retain(|_, given| given.until > Instant::now());
        }
        if moves.len() >= MOST_MOVES {
            moves.clear();
        }
        let ticket = [MOVE_PREFIX, &URL_SAFE_NO_PAD.encode(rand::random::<[u8; 18]>())].concat();
        let until = Instant::now() + MOVE_LIFETIME;
        moves.insert(ticket.clone(), Move { session: session.to_owned(), authorization, until });
        ticket
    }

    /// The session of such a ticket, and the token of who asked for it; it cannot be used again.
    pub fn take_move(&self, ticket: &str) -> Option<(String, Option<http::HeaderValue>)> {
        let given = lock(&self.moves).remove(ticket)?;
        (given.until > Instant::now()).then_some((given.session, given.authorization))
    }

    /// Whether this client may use a WebSocket now; else, after how many milliseconds.
    ///
    /// # Errors
    /// How long it is to use the fallback.
    pub fn admit(&self, client: &str) -> Result<(), u64> {
        let admitted = lock(&self.breaker).admit(&client, self.now());
        if admitted.is_err() {
            self.counts.broken.up();
        }
        admitted
    }

    /// Tells how a WebSocket of this client fared.
    pub fn note(&self, client: &str, fate: Fate) {
        lock(&self.breaker).note(&client, fate, self.now());
    }

    /// Clients that are sent to the fallback.
    pub fn broken(&self) -> usize {
        lock(&self.breaker).open(self.now())
    }

    /// Bytes that parked sessions hold.
    pub fn parked_bytes(&self) -> usize {
        self.parked_bytes.load(Ordering::Relaxed)
    }
}

impl Stay {
    /// Counts what the session holds while nobody carries it; false when all of them would hold too much.
    pub fn park(&mut self, bytes: usize) -> bool {
        if self.parked == 0 {
            self.sessions.counts.parked.up();
        }
        let bytes = bytes.max(1);
        let held = self.sessions.parked_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.sessions.parked_bytes.fetch_sub(self.parked, Ordering::Relaxed);
        let fits = held - self.parked <= self.sessions.config.parked_bytes;
        self.parked = bytes;
        fits
    }

    /// Somebody carries it again.
    pub fn unpark(&mut self) {
        if self.parked > 0 {
            self.sessions.counts.parked.down();
            self.sessions.parked_bytes.fetch_sub(std::mem::take(&mut self.parked), Ordering::Relaxed);
        }
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        self.unpark();
        let mut known = lock(&self.sessions.known);
        known.remove(&self.name);
        if known.capacity() > 1024 && known.len() < known.capacity() / 8 {
            known.shrink_to_fit();
        }
        drop(known);
        self.sessions.counts.open.down();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn too_many(whose: &str) -> Error {
    let message = format!(
        "This {whose} has as many sessions open as `sessions.per_{whose}` of the edge allows. Let the tabs of a browser \
         share one."
    );
    Error::new(Code::ResourceExhausted, "SESSIONS_EXHAUSTED", message).retry_after(Duration::from_secs(5))
}
