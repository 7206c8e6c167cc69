//! Passwords: argon2id, off the async threads, a few at a time.

use std::sync::Arc;

use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use tokio::sync::Semaphore;

use crate::error::{Error, Result};

/// What holds for every password that somebody chooses.
pub const PASSWORD_RULE: &str = "must have 10-256 bytes";

/// Each hash takes 19 MiB and a core for some 50 ms; more at once would be a lever against the server.
const AT_ONCE: usize = 4;

/// Hashes and verifies passwords.
#[derive(Debug, Clone)]
pub struct Passwords {
    permits: Arc<Semaphore>,
    /// Verified against for unknown users, so that they take the same time.
    decoy: Arc<str>,
    /// Passwords compared with a hash so far.
    #[cfg(test)]
    pub(crate) compared: Arc<std::sync::atomic::AtomicUsize>,
}

impl Passwords {
    /// Makes the decoy; takes as long as one hash.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn new() -> Result<Self> {
        Ok(Self {
            permits: Arc::new(Semaphore::new(AT_ONCE)),
            decoy: hash("decoy")?.into(),
            #[cfg(test)]
            compared: Arc::default(),
        })
    }

    /// Hashes a password with a fresh salt, in PHC format.
    ///
    /// # Errors
    /// Only by a fault of the server.
    pub async fn hash(&self, password: String) -> Result<String> {
        self.run(move || hash(&password)).await
    }

    /// Whether the password fits the hash; without a hash it never does, and takes as long.
    ///
    /// # Errors
    /// Only by a fault of the server.
    pub async fn verify(&self, password: String, known: Option<String>) -> Result<bool> {
        let this = self.clone();
        self.run(move || {
            let hash = known.as_deref().unwrap_or(&this.decoy);
            let fits = this.fits(&password, hash);
            Ok(fits && known.is_some())
        })
        .await
    }

    fn fits(&self, password: &str, hash: &str) -> bool {
        #[cfg(test)]
        self.compared.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Argon2::default().verify_password(password.as_bytes(), hash).is_ok()
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(Error::internal)?;
        let work = move || {
            let result = work();
            // A caller may leave; the work goes on and keeps its place until it is done.
            drop(permit);
            result
        };
        tokio::task::spawn_blocking(work).await.map_err(Error::internal)?
    }
}

/// Whether a password somebody chooses keeps [`PASSWORD_RULE`].
pub fn keeps_password_rule(password: &str) -> bool {
    (10..=256).contains(&password.len())
}

fn hash(password: &str) -> Result<String> {
    let hash = Argon2::default()
        .hash_password(password.as_bytes())
        .map_err(|error| Error::internal(error.to_string()))?;
    Ok(hash.to_string())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn only_the_right_password_of_a_known_user_fits() {
        let passwords = Passwords::new().unwrap();
        let hash = passwords.hash("correct horse".to_owned()).await.unwrap();
        assert!(hash.starts_with("$argon2id$"), "{hash}");
        for (password, known, fits) in [
            ("correct horse", Some(hash.clone()), true),
            ("wrong horse", Some(hash), false),
            ("decoy", None, false),
            ("correct horse", Some("not a hash".to_owned()), false),
        ] {
            assert_eq!(passwords.verify(password.to_owned(), known).await.unwrap(), fits, "{password}");
        }
    }

    #[tokio::test]
    async fn the_decoy_costs_as_much_as_any_password() {
        let passwords = Passwords::new().unwrap();
        let real = passwords.hash("correct horse".to_owned()).await.unwrap();
        let cost = |hash: &str| hash.split('$').take(4).collect::<Vec<_>>().join("$");
        assert_eq!(cost(&passwords.decoy), cost(&real));
        assert!(cost(&real).contains("m="), "{}", cost(&real));
    }

    #[tokio::test]
    async fn callers_who_leave_make_no_room_for_more() {
        let passwords = Passwords::new().unwrap();
        let (started, mut all_started) = tokio::sync::mpsc::unbounded_channel();
        let mut finish = Vec::new();
        for _ in 0..AT_ONCE {
            let (sender, finished) = mpsc::channel::<()>();
            let (passwords, started) = (passwords.clone(), started.clone());
            let caller = tokio::spawn(async move {
                let work = move || Ok((started.send(()).unwrap(), finished.recv()));
                passwords.run(work).await
            });
            all_started.recv().await.unwrap();
            caller.abort();
            assert!(caller.await.unwrap_err().is_cancelled());
            finish.push(sender);
        }
        assert_eq!(passwords.permits.available_permits(), 0);
        drop(finish);
        let all = passwords.permits.acquire_many(u32::try_from(AT_ONCE).unwrap()).await;
        assert!(all.is_ok());
    }
}
