//! Signing in, staying signed in, signing out.

use std::sync::Arc;
use std::time::Duration;

use crate::auth::{IssuedToken, Passwords, Secret, Tokens, hash_secret};
use crate::error::{Error, Result};
use crate::model::{Time, User};
use crate::store::{Change, Changed, Rotation, SessionChange, SessionChanged, Store, Write};

/// How long a refresh token may wait for its use.
const REFRESH_LIFETIME: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The tokens of a session.
#[derive(Debug)]
pub struct Session {
    /// The access token.
    pub access: IssuedToken,
    /// The refresh token, valid once.
    pub refresh: String,
    /// Whose session it is.
    pub user: User,
}

/// Begins, continues and ends sessions.
#[derive(Debug, Clone)]
pub struct Sessions {
    store: Arc<dyn Store>,
    tokens: Tokens,
    passwords: Passwords,
}

impl Sessions {
    /// Sessions of the users of a store.
    pub fn new(store: Arc<dyn Store>, tokens: Tokens, passwords: Passwords) -> Self {
        Self { store, tokens, passwords }
    }

    /// Exchanges a username and a password for tokens.
    ///
    /// # Errors
    /// `LoginFailed` when they do not match, after the same time for known and unknown users.
    pub async fn login(&self, username: &str, password: String) -> Result<Session> {
        let (user, hash) = self.store.credentials(username).await?.unzip();
        let fits = self.passwords.verify(password, hash).await?;
        let Some(user) = user.filter(|_| fits) else {
            tracing::info!("a sign-in failed");
            return Err(Error::LoginFailed);
        };
        let refresh = Secret::generate();
        let now = Time::now();
        let expires = now.plus(REFRESH_LIFETIME);
        let change = SessionChange::Start { user: user.id, token: refresh.hash, now, expires };
        self.commit(change).await?;
        tracing::info!(user = user.id, "signed in");
        self.session(user, refresh)
    }

    /// Exchanges a refresh token for the next tokens.
    ///
    /// # Errors
    /// `TokenInvalid`, `TokenExpired`, or `TokenReused`, which has also ended the session.
    pub async fn refresh(&self, token: &str) -> Result<Session> {
        let next = Secret::generate();
        let now = Time::now();
        let change = SessionChange::Rotate {
            token: hash_secret(token),
            next: next.hash,
            now,
            expires: now.plus(REFRESH_LIFETIME),
        };
        match self.commit(change).await? {
            Some(Changed::Session(SessionChanged::Rotated(Rotation::Next(user)))) => self.session(user, next),
            Some(Changed::Session(SessionChanged::Rotated(Rotation::Expired))) => Err(Error::TokenExpired),
            Some(Changed::Session(SessionChanged::Rotated(Rotation::Reused))) => {
                tracing::warn!("a refresh token was used twice; its session is ended");
                Err(Error::TokenReused)
            }
            _ => Err(Error::TokenInvalid),
        }
    }

    /// Ends the session of a refresh token, if there is one.
    ///
    /// # Errors
    /// Only by a fault of the store.
    pub async fn logout(&self, token: &str) -> Result<()> {
        let change = SessionChange::End { token: hash_secret(token) };
        self.commit(change).await?;
        Ok(())
    }

    async fn commit(&self, change: SessionChange) -> Result<Option<Changed>> {
        Ok(self.store.commit(Write::change(Change::Session(change))).await?.changed)
    }

    fn session(&self, user: User, refresh: Secret) -> Result<Session> {
        let access = self.tokens.issue(user.id.to_string(), user.username.clone(), user.role)?;
        Ok(Session { access, refresh: refresh.text, user })
    }
}
