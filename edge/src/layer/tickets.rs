//! Tickets: a caller's token sealed for one connection, for pages that can send no headers with it (EventSource,
//! WebSocket).
//!
//! A ticket stands in a URL, which is written to more logs than one likes. So it is sealed (AES-256-GCM), good for 30 s,
//! for pages of the origin that asked for it, and for one connection. Edges that share a key take each other's tickets;
//! each remembers only those that it took itself, so one ticket may open one connection at each of them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::config::Secret;
use crate::error::{Code, Error, Result};

/// What every ticket begins with.
pub const PREFIX: &str = "lmt1.";
const LIFETIME: Duration = Duration::from_secs(30);
/// For so long a ticket that has expired is known from one that was used. Afterwards it counts as used: a page that
/// connects again with the same URL must be told in the end that this leads nowhere.
const AFTERLIFE: Duration = Duration::from_secs(30);
/// Used tickets that are remembered at once, some 4 MiB.
const MOST_USED: usize = 65_536;
/// Those that can be forgotten are looked for when there are twice as many as were left, and so many at least.
const GROWTH: usize = 1024;
const KEY_BYTES: usize = 32;

/// Seals tickets and opens each once.
pub struct Tickets {
    key: RandomizedNonceKey,
    /// Held for a moment and never across an await.
    used: Mutex<Used>,
}

/// A ticket, and until when it is good.
#[derive(Debug)]
pub struct Ticket {
    pub text: String,
    pub expires: SystemTime,
}

#[derive(Serialize, Deserialize)]
struct Contents {
    token: String,
    page: String,
    /// Since 1970.
    expires: Duration,
}

#[derive(Debug, Default)]
struct Used {
    /// The nonce of each ticket, and until when it must be remembered.
    tickets: HashMap<[u8; NONCE_LEN], Duration>,
    /// How many were left when those to forget were last looked for.
    kept: usize,
}

impl Tickets {
    /// Without a key of the settings it makes one: then no other edge takes its tickets.
    ///
    /// # Errors
    /// A sentence when the setting holds no key.
    pub fn new(key: Option<&Secret>) -> Result<Self, String> {
        let mut bytes = [0; KEY_BYTES];
        match key {
            Some(key) => bytes = read_key(&key.0).map_err(|problem| format!("auth.ticket_key: {problem}"))?,
            None => aws_lc_rs::rand::fill(&mut bytes).map_err(|_| "the system gives no random numbers")?,
        }
        let key = RandomizedNonceKey::new(&AES_256_GCM, &bytes).map_err(|_| "AES-256-GCM is not there")?;
        Ok(Self { key, used: Mutex::default() })
    }

    /// Seals a verified token for one connection of a page.
    ///
    /// # Errors
    /// INTERNAL when the system gives no random numbers.
    pub fn seal(&self, token: &str, page: &str) -> Result<Ticket> {
        self.seal_at(token, page, now())
    }

    fn seal_at(&self, token: &str, page: &str, now: Duration) -> Result<Ticket> {
        let expires = now + LIFETIME;
        let contents = Contents { token: token.to_owned(), page: page.to_owned(), expires };
        let mut sealed = serde_json::to_vec(&contents).map_err(Error::internal)?;
        let aad = Aad::from(PREFIX.as_bytes());
        let nonce = self.key.seal_in_place_append_tag(aad, &mut sealed).map_err(Error::internal)?;
        let text = [PREFIX, &URL_SAFE_NO_PAD.encode([nonce.as_ref().as_slice(), &sealed].concat())].concat();
        Ok(Ticket { text, expires: UNIX_EPOCH + expires })
    }

    /// The token of a ticket that a page uses; it cannot be used again.
    ///
    /// # Errors
    /// UNAUTHENTICATED with `TICKET_INVALID`, `TICKET_FOREIGN`, `TICKET_EXPIRED` or `TICKET_SPENT`; RESOURCE_EXHAUSTED
    /// when too many are used at once.
    pub fn open(&self, ticket: &str, page: &str) -> Result<String> {
        self.open_at(ticket, page, now())
    }

    fn open_at(&self, ticket: &str, page: &str, now: Duration) -> Result<String> {
        let (nonce, contents) = self.unseal(ticket).ok_or_else(invalid)?;
        let forget_at = contents.expires + AFTERLIFE;
        if contents.page != page {
            return Err(foreign());
        }
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if forget_at <= now || used.tickets.contains_key(&nonce) {
            return Err(spent());
        }
        if contents.expires <= now {
            return Err(expired());
        }
        used.add(nonce, forget_at, now)?;
        Ok(contents.token)
    }

    fn unseal(&self, ticket: &str) -> Option<([u8; NONCE_LEN], Contents)> {
        let bytes = URL_SAFE_NO_PAD.decode(ticket.strip_prefix(PREFIX)?).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_LEN>()?;
        let mut sealed = sealed.to_vec();
        let aad = Aad::from(PREFIX.as_bytes());
        let plain = self.key.open_in_place(Nonce::assume_unique_for_key(*nonce), aad, &mut sealed).ok()?;
        Some((*nonce, serde_json::from_slice(plain).ok()?))
    }
}

impl Used {
    fn add(&mut self, nonce: [u8; NONCE_LEN], forget_at: Duration, now: Duration) -> Result<()> {
        if self.tickets.len() >= (2 * self.kept + GROWTH).min(MOST_USED) {
            self.tickets.retain(|_, forget_at| *forget_at > now);
            self.kept = self.tickets.len();
        }
        if self.tickets.len() >= MOST_USED {
            let message = "Too many tickets are used just now. Try again in a moment.";
            let error = Error::new(Code::ResourceExhausted, "TICKETS_EXHAUSTED", message);
            return Err(error.retry_after(Duration::from_secs(1)));
        }
        self.tickets.insert(nonce, forget_at);
        Ok(())
    }
}

impl std::fmt::Debug for Tickets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tickets").finish_non_exhaustive()
    }
}

/// 64 hexadecimal digits, or the file that holds them. The text is not told: it may be a key with a slip.
fn read_key(text: &str) -> Result<[u8; KEY_BYTES], String> {
    if let Some(key) = hexadecimal(text.trim()) {
        return Ok(key);
    }
    let read = std::fs::read_to_string(text).map_err(|error| {
        format!("must be 64 hexadecimal digits, or a file that holds them, which cannot be read: {error}")
    })?;
    hexadecimal(read.trim()).ok_or_else(|| "the file must hold 64 hexadecimal digits".into())
}

fn hexadecimal(text: &str) -> Option<[u8; KEY_BYTES]> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let bytes: Vec<u8> =
        digits?.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect();
    (text.len() == 2 * KEY_BYTES).then(|| bytes.try_into().ok())?
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Says nothing of what is wrong with it: that would help only a forger.
pub fn invalid() -> Error {
    let message = "The ticket is not valid here. Get one by `POST /tickets`, from the edge that is to take it or one \
                   with the same `auth.ticket_key`.";
    Error::new(Code::Unauthenticated, "TICKET_INVALID", message)
}

fn foreign() -> Error {
    let message =
        "The ticket was given to a page of another origin. Each page gets its own by `POST /tickets`.";
    Error::new(Code::Unauthenticated, "TICKET_FOREIGN", message)
}

fn expired() -> Error {
    let message = "The ticket is good for 30 s. Get a new one by `POST /tickets` right before connecting.";
    Error::new(Code::Unauthenticated, "TICKET_EXPIRED", message)
}

fn spent() -> Error {
    let message = "The ticket is for one connection, which it has opened, or its time has long been over. Get a new one \
                   by `POST /tickets` for each connection.";
    Error::new(Code::Unauthenticated, "TICKET_SPENT", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::from_secs(1000);

    fn tickets(key: Option<&str>) -> Tickets {
        Tickets::new(key.map(|key| Secret(key.to_owned())).as_ref()).unwrap()
    }

    /// What using a ticket gives: the token or the reason.
    fn open(tickets: &Tickets, ticket: &str, page: &str, seconds: u64) -> String {
        let opened = tickets.open_at(ticket, page, START + Duration::from_secs(seconds));
        opened.unwrap_or_else(|error| error.reason_text().to_owned())
    }

    #[test]
    fn a_ticket_is_good_once_here_and_for_a_while() {
        let tickets = tickets(None);
        let new = || tickets.seal_at("token", "https://a.test", START).unwrap().text;
        let ticket = new();
        assert!(!ticket.contains("token") && ticket.len() < 200, "{ticket}");
        assert_ne!(ticket, new());
        for (ticket, page, seconds, expected) in [
            (&ticket, "https://b.test", 0, "TICKET_FOREIGN"),
            (&ticket, "https://a.test", 29, "token"),
            (&ticket, "https://a.test", 29, "TICKET_SPENT"),
            (&ticket, "https://a.test", 31, "TICKET_SPENT"),
            (&ticket, "https://a.test", 3600, "TICKET_SPENT"),
            (&new(), "https://a.test", 0, "token"),
            (&new(), "https://a.test", 30, "TICKET_EXPIRED"),
            (&new(), "https://a.test", 59, "TICKET_EXPIRED"),
            (&new(), "https://a.test", 60, "TICKET_SPENT"),
        ] {
            assert_eq!(open(&tickets, ticket, page, seconds), expected, "{page} after {seconds} s");
        }
    }

    #[test]
    fn nothing_but_a_whole_ticket_of_the_same_key_is_taken() {
        let key = "0123456789abcdefABCDEF0123456789".repeat(2);
        let (ours, same, others) = (tickets(Some(&key)), tickets(Some(&key)), tickets(None));
        let ticket = ours.seal_at("token", "p", START).unwrap().text;
        assert_eq!(open(&others, &ticket, "p", 0), "TICKET_INVALID");
        for at in 0..ticket.len() {
            let mut forged = ticket.clone().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(forged).unwrap();
            assert_eq!(open(&ours, &forged, "p", 0), "TICKET_INVALID", "{at}");
            assert_eq!(open(&ours, &ticket[..at], "p", 0), "TICKET_INVALID", "{at}");
        }
        for garbage in ["", "lmt1.", "lmt1.AAAA", "a.b.c", &format!("{ticket}A"), &format!("{ticket}=")] {
            assert_eq!(open(&ours, garbage, "p", 0), "TICKET_INVALID", "{garbage}");
        }
        assert_eq!(open(&same, &ticket, "p", 0), "token", "edges that share the key take each other's");
        assert_eq!(open(&ours, &ticket, "p", 0), "token", "each of them once");
    }

    #[test]
    fn used_tickets_are_forgotten_in_time() {
        let mut used = Used::default();
        for n in 0..10 * MOST_USED {
            let mut nonce = [0; NONCE_LEN];
            nonce[..8].copy_from_slice(&n.to_le_bytes());
            // One in a millisecond.
            let now = Duration::from_millis(n as u64);
            let _ = used.add(nonce, now + Duration::from_secs(60), now);
            assert!(used.tickets.len() <= MOST_USED);
        }
        assert_eq!(
            used.add([9; NONCE_LEN], Duration::MAX, Duration::from_secs(655)).map_err(|e| e.to_string()),
            Ok(())
        );
        let full = (0..=MOST_USED).map(|n| {
            let mut nonce = [7; NONCE_LEN];
            nonce[..8].copy_from_slice(&n.to_le_bytes());
            used.add(nonce, Duration::MAX, Duration::from_secs(10_000))
        });
        let refused: Vec<_> = full.filter_map(|outcome| outcome.err()).collect();
        assert!(
            !refused.is_empty() && refused.iter().all(|error| error.reason_text() == "TICKETS_EXHAUSTED")
        );
    }

    #[test]
    fn keys_are_read_and_never_told() {
        let file = std::env::temp_dir().join(format!("lastmile-ticket-key-{}", std::process::id()));
        std::fs::write(&file, format!("{}\n", "ab".repeat(32))).unwrap();
        assert_eq!(read_key(file.to_str().unwrap()), Ok([0xab; 32]));
        std::fs::write(&file, "short").unwrap();
        assert!(read_key(file.to_str().unwrap()).unwrap_err().contains("64 hexadecimal digits"));
        std::fs::remove_file(&file).unwrap();
        for slip in ["ab".repeat(31), "ab".repeat(33), format!("{}zz", "ab".repeat(31))] {
            let error = read_key(&slip).unwrap_err();
            assert!(error.contains("64 hexadecimal digits") && !error.contains("abab"), "{error}");
        }
        let shown = format!("{:?} {:?}", tickets(None), Secret("ab".repeat(32)));
        assert!(!shown.contains("abab"), "{shown}");
    }
}
