//! Who cannot keep a WebSocket is sent to another carrier for a while: a breaker for each client.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hash, RandomState};

/// So many failures, within so many milliseconds, open it.
const FAILURES: usize = 5;
const WITHIN: u64 = 10_000;
/// How long it stays open, in milliseconds, and how many may try meanwhile.
const OPEN: u64 = 60_000;
const TRIALS: u32 = 3;
/// Clients that are remembered; beyond, those that failed longest ago are forgotten, unless all failed at the same moment: then all are.
const MOST: usize = 10_000;

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It could be used.
    Well,
    /// It broke before it was of use.
    Failed,
    /// Heartbeats were not answered.
    Silent,
}

/// The breakers of all clients. Moments are milliseconds of any clock that goes forward.
#[derive(Debug, Default)]
pub struct Breaker {
    // By hash: a client is a name of any length, and two in 2^64 may share one.
    clients: HashMap<u64, Client>,
    hasher: RandomState,
}

#[derive(Debug, Default)]
struct Client {
    failures: VecDeque<u64>,
    opened: Option<u64>,
    trials: u32,
}

impl Breaker {
    /// Whether this client may connect; else, after how many milliseconds.
    ///
    /// # Errors
    /// How long it is to use another carrier.
    pub fn admit(&mut self, client: &impl Hash, now: u64) -> Result<(), u64> {
        let key = self.hasher.hash_one(client);
        let Some(client) = self.clients.get_mut(&key) else { return Ok(()) };
        let Some(opened) = client.opened else { return Ok(()) };
        let until = opened + OPEN;
        if until <= now {
            self.clients.remove(&key);
            return Ok(());
        }
        // The trials lie evenly in the time.
        let due = opened + u64::from(client.trials + 1) * (OPEN / u64::from(TRIALS + 1));
        if client.trials < TRIALS && due <= now {
            client.trials += 1;
            return Ok(());
        }
        Err(until - now)
    }

    /// Tells how a connection of this client ended, or that it works.
    pub fn note(&mut self, client: &impl Hash, fate: Fate, now: u64) {
        let key = self.hasher.hash_one(client);
        if fate == Fate::Well {
            self.clients.remove(&key);
            return;
        }
        if self.clients.len() >= MOST && !self.clients.contains_key(&key) {
            self.forget(now);
        }
        let client = self.clients.entry(key).or_default();
        client.failures.retain(|at| at + WITHIN > now);
        client.failures.push_back(now);
        if client.opened.is_none() && (fate == Fate::Silent || client.failures.len() >= FAILURES) {
            (client.opened, client.trials) = (Some(now), 0);
        }
        client.failures.truncate(FAILURES);
    }

    /// How many are open.
    pub fn open(&self, now: u64) -> usize {
        self.clients.values().filter(|client| client.opened.is_some_and(|at| at + OPEN > now)).count()
    }

    /// Makes room: half of what is remembered goes, so that this is done seldom.
    fn forget(&mut self, now: u64) {
        let latest = |client: &Client| client.failures.back().copied().unwrap_or_default();
        self.clients.retain(|_, client| latest(client) + OPEN > now);
        let mut moments: Vec<u64> = self.clients.values().map(latest).collect();
        if moments.len() >= MOST {
            let (_, middle, _) = moments.select_nth_unstable(MOST / 2);
            self.clients.retain(|_, client| latest(client) > *middle);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_failures_in_ten_seconds_open_it_for_a_minute() {
        let mut breaker = Breaker::default();
        for at in [0, 3000, 6000, 9000, 12_000] {
            assert_eq!(breaker.admit(&"a", at), Ok(()));
            breaker.note(&"a", Fate::Failed, at);
        }
        assert_eq!(breaker.admit(&"a", 12_000), Ok(()), "never five within ten seconds");
        breaker.note(&"a", Fate::Failed, 12_100);
        assert_eq!(breaker.admit(&"a", 12_100), Err(60_000));
        assert_eq!(breaker.admit(&"b", 12_100), Ok(()), "others are let alone");
        let trials = (12_100..72_100).step_by(100).filter(|at| breaker.admit(&"a", *at).is_ok()).count();
        assert_eq!((trials, breaker.open(72_000)), (3, 1));
        assert_eq!(breaker.admit(&"a", 72_100), Ok(()));
    }

    #[test]
    fn silence_opens_it_at_once_and_a_good_connection_closes_it() {
        let mut breaker = Breaker::default();
        breaker.note(&"a", Fate::Silent, 0);
        assert_eq!((breaker.admit(&"a", 100), breaker.open(100)), (Err(59_900), 1));
        assert_eq!(breaker.admit(&"a", 15_000), Ok(()), "a trial");
        breaker.note(&"a", Fate::Well, 15_100);
        assert_eq!((breaker.admit(&"a", 15_200), breaker.open(15_200)), (Ok(()), 0));
    }

    #[test]
    fn many_clients_that_fail_take_bounded_memory() {
        let mut breaker = Breaker::default();
        for client in 0..3 * MOST as u64 {
            breaker.note(&client, Fate::Failed, client);
        }
        assert!(breaker.clients.len() <= MOST, "{}", breaker.clients.len());
    }
}
