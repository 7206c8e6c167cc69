//! The keys that sign and verify tokens.

use std::sync::{Arc, PoisonError, RwLock};

use jsonwebtoken::jwk::JwkSet;

use super::keys::SigningKey;
use crate::error::{Error, Result};
use crate::model::{StoredKey, Time};

type Keys = Arc<[Arc<SigningKey>]>;

/// A cheap handle to the keys; never empty.
#[derive(Debug, Clone)]
pub struct Keyring {
    /// In the order in which they sign. Held for a moment and never across an await.
    keys: Arc<RwLock<Keys>>,
}

impl Keyring {
    /// A ring of these keys, in the order in which they sign.
    ///
    /// # Errors
    /// When there is none, or one cannot be read.
    pub fn new(stored: &[StoredKey]) -> Result<Self> {
        Ok(Self { keys: Arc::new(RwLock::new(read(stored)?)) })
    }

    /// From now on these are the keys.
    ///
    /// # Errors
    /// Those of [`Self::new`]; then the keys stay as they are.
    pub fn replace(&self, stored: &[StoredKey]) -> Result<()> {
        let keys = read(stored)?;
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(())
    }

    /// The public halves as JSON text of a JSON Web Key Set (RFC 7517).
    ///
    /// # Errors
    /// Only by a fault of the server.
    pub fn jwks(&self) -> Result<String> {
        let keys = self.keys().iter().map(|key| key.public.clone()).collect();
        serde_json::to_string(&JwkSet { keys }).map_err(Error::internal)
    }

    /// The key that signs at a time: the last that has begun to.
    pub(super) fn signing(&self, now: Time) -> Result<Arc<SigningKey>> {
        let keys = self.keys();
        let begun = keys.iter().rfind(|key| key.signs <= now);
        // A clock that was set back is before them all.
        begun.or(keys.first()).cloned().ok_or_else(|| Error::internal("there is no signing key"))
    }

    /// The key of an id.
    pub(super) fn find(&self, id: &str) -> Option<Arc<SigningKey>> {
        self.keys().iter().find(|key| key.id == id).cloned()
    }

    fn keys(&self) -> Keys {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }
}

fn read(stored: &[StoredKey]) -> Result<Keys> {
    if stored.is_empty() {
        return Err(Error::internal("there is no signing key"));
    }
    stored.iter().map(|key| SigningKey::new(key).map(Arc::new)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::keys::{generate_key, import_key};

    #[test]
    fn the_last_key_that_has_begun_signs() {
        let at = Time::from_micros;
        let stored = [10, 20].map(|signs| generate_key(at(signs)).unwrap());
        let ring = Keyring::new(&stored).unwrap();
        for (now, expected) in [(5, 0), (10, 0), (19, 0), (20, 1), (99, 1)] {
            assert_eq!(ring.signing(at(now)).unwrap().id, stored[expected].id, "{now}");
        }
        let jwks = ring.jwks().unwrap();
        assert!(stored.iter().all(|key| jwks.contains(&key.id)), "{jwks}");
        assert!(jwks.contains("Ed25519") && !jwks.contains("\"d\""), "public halves only: {jwks}");
    }

    #[test]
    fn a_ring_never_becomes_empty_or_broken() {
        let key = generate_key(Time::now()).unwrap();
        let ring = Keyring::new(std::slice::from_ref(&key)).unwrap();
        ring.replace(&[]).unwrap_err();
        ring.replace(&[StoredKey { pem: "nonsense".into(), ..key.clone() }]).unwrap_err();
        assert!(ring.find(&key.id).is_some());
    }

    #[test]
    fn a_key_keeps_its_id_and_its_secret() {
        let key = generate_key(Time::now()).unwrap();
        assert_eq!(import_key(key.pem.clone(), Time::now()).unwrap().id, key.id);
        let told = format!("{key:?}");
        assert!(!told.contains("PRIVATE") && !told.contains("MC4"), "{told}");
    }
}
