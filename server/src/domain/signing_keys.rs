//! Makes, publishes and retires the keys that sign tokens.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::key_file::KeyFile;
use crate::auth::{Keyring, generate_key, import_key};
use crate::error::{Error, Result};
use crate::model::{LONGEST_SERVICE_TOKEN, StoredKey, Time};
use crate::store::{Change, Changed, KeyChange, Store, Write};

/// A new key is published so long before it signs: twice as long as an edge may keep the keys it knows.
const NOTICE: Duration = Duration::from_secs(10 * 60);

/// Another process may have made a key; it is known here after this time.
const INTERVAL: Duration = Duration::from_secs(60);

/// Clocks of processes differ, and edges honour a token for some seconds after it has expired.
const MARGIN: Duration = Duration::from_secs(60);

/// Keeps the keyring as the store has it.
#[derive(Debug)]
pub struct SigningKeys {
    store: Arc<dyn Store>,
    ring: Keyring,
    lifetime: Duration,
}

impl SigningKeys {
    /// Loads the keys of a store. The first one comes from the key file of an earlier version, or is made.
    ///
    /// # Errors
    /// When a key cannot be read or written.
    pub async fn open(store: Arc<dyn Store>, folder: &Path, lifetime: Duration) -> Result<Self> {
        let file = KeyFile::of(folder);
        let named = |error: String| Error::internal(format!("{}: {error}", file.path().display()));
        let pem = file.read().map_err(|error| named(error.to_string()))?;
        let now = Time::now();
        let imported = pem.map(|pem| import_key(pem, now)).transpose();
        let imported = imported.map_err(|error| named(cause(&error)))?;

        let mut keys = store.signing_keys().await?;
        if keys.is_empty() {
            let key = imported.clone().map_or_else(|| generate_key(now), Ok)?;
            keys = commit(&*store, KeyChange::Add { key, after: None }).await?;
        }
        match imported {
            // Also after a crash between the import and this line.
            Some(imported) if keys.iter().any(|key| key.id == imported.id) => {
                file.delete().map_err(|error| named(error.to_string()))?;
            }
            Some(_) => tracing::warn!(
                file = %file.path().display(),
                "the key in this file is not used: the database has others; delete the file"
            ),
            None => {}
        }
        let keys = Self { store, ring: Keyring::new(&keys)?, lifetime };
        keys.refresh(Time::now()).await?;
        Ok(keys)
    }

    /// The ring that is kept.
    pub fn ring(&self) -> Keyring {
        self.ring.clone()
    }

    /// Makes the next key whenever it is due, until dropped.
    pub async fn rotate(self) {
        loop {
            sleep(INTERVAL.min(self.lifetime / 4)).await;
            if let Err(error) = self.refresh(Time::now()).await {
                tracing::warn!(%error, "the signing keys cannot be renewed");
            }
        }
    }

    async fn refresh(&self, now: Time) -> Result<()> {
        let mut keys = self.store.signing_keys().await?;
        if let Some(after) = due(&keys, self.lifetime, now) {
            let key = generate_key(now.plus(notice(self.lifetime)))?;
            tracing::info!(key = key.id, "the next signing key is published");
            keys = commit(&*self.store, KeyChange::Add { key, after: Some(after) }).await?;
        }
        let ids = over(&keys, now);
        if !ids.is_empty() {
            keys = commit(&*self.store, KeyChange::Forget { ids }).await?;
        }
        self.ring.replace(&keys)
    }
}

async fn commit(store: &dyn Store, change: KeyChange) -> Result<Vec<StoredKey>> {
    match store.commit(Write::change(Change::Key(change))).await?.changed {
        Some(Changed::Keys(keys)) => Ok(keys),
        other => Err(Error::internal(format!("the store answered {other:?} to a change of keys"))),
    }
}

/// At the start the operator sees why.
fn cause(error: &Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

/// How long a new key is known before it signs.
fn notice(lifetime: Duration) -> Duration {
    NOTICE.min(lifetime / 2)
}

/// The newest key, when it is time for the next one.
fn due(keys: &[StoredKey], lifetime: Duration, now: Time) -> Option<String> {
    keys.last().filter(|newest| newest.created.plus(lifetime) <= now).map(|newest| newest.id.clone())
}

/// The keys that nothing alive can be signed by: their successor has signed for longer than any token lives.
fn over(keys: &[StoredKey], now: Time) -> Vec<String> {
    let is_over = |successor: &StoredKey| successor.signs.plus(LONGEST_SERVICE_TOKEN).plus(MARGIN) < now;
    let pairs = keys.iter().zip(keys.iter().skip(1));
    pairs.filter(|(_, successor)| is_over(successor)).map(|(key, _)| key.id.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn day(day: u32) -> Time {
        Time::from_micros(0).plus(DAY * day)
    }

    fn key(id: &str, from: u32) -> StoredKey {
        StoredKey { id: id.to_owned(), pem: "".into(), signs: day(from), created: day(from) }
    }

    #[test]
    fn the_next_key_is_due_when_the_newest_is_old() {
        let keys = [key("a", 0), key("b", 90)];
        for (now, expected) in [(90, None), (179, None), (180, Some("b")), (999, Some("b"))] {
            assert_eq!(due(&keys, DAY * 90, day(now)).as_deref(), expected, "{now}");
        }
    }

    #[test]
    fn a_key_stays_as_long_as_anything_it_signed_may_live() {
        let keys = [key("a", 0), key("b", 90), key("c", 180)];
        for (now, expected) in [
            (400, &[][..]),
            (490, &[]),
            (491, &["a"]),
            (580, &["a"]),
            (581, &["a", "b"]),
            (9999, &["a", "b"]),
        ] {
            assert_eq!(over(&keys, day(now)), expected, "{now}");
        }
    }

    #[test]
    fn a_new_key_is_known_before_it_signs() {
        assert_eq!(notice(DAY), NOTICE);
        assert_eq!(notice(Duration::from_secs(2)), Duration::from_secs(1));
    }
}
