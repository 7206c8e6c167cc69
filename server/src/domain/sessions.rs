//! Signing in, staying signed in, signing out.

use std::sync::Arc;

use super::revoking;
use super::standing::Standing;
use crate::auth::{
    Caller, Identity, IssuedToken, Passwords, Secret, TokenDraft, TokenHolder, Tokens, hash_secret,
};
use crate::error::{Error, Result};
use crate::model::{LONGEST_SESSION_TOKEN, Role, Time, User};
use crate::store::{
    Change, Changed, Rotation, SessionChange, SessionChanged, Store, TokenHash, TokenPair, UserChange,
};

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
    standing: Standing,
}

impl Sessions {
    /// Sessions of the users of a store.
    pub fn new(store: Arc<dyn Store>, tokens: Tokens, passwords: Passwords, standing: Standing) -> Self {
        Self { store, tokens, passwords, standing }
    }

    /// Exchanges a username and a password for tokens.
    ///
    /// # Errors
    /// `LoginFailed` when they do not match, after the same time for known and unknown users.
    pub async fn login(&self, username: &str, password: String) -> Result<Session> {
        let known = self.store.credentials(username).await?;
        let hash = known.as_ref().map(|(_, hash)| hash.clone());
        let fits = self.passwords.verify(password, hash).await?;
        let Some((user, password)) = known.filter(|_| fits) else {
            return Err(failed_login());
        };
        let (refresh, access) = self.drafts();
        let tokens = pair(refresh.hash, &access);
        let change = SessionChange::Start { user: user.id, password, tokens };
        match self.commit(Change::Session(change)).await? {
            Changed::Session(SessionChanged::Started(Some(user))) => {
                tracing::info!(user = user.id, "signed in");
                self.session(user, refresh, access)
            }
            _ => Err(failed_login()),
        }
    }

    /// Exchanges a refresh token for the next tokens.
    ///
    /// # Errors
    /// `TokenInvalid`, `TokenExpired`, or `TokenReused`, which has also ended the session.
    pub async fn refresh(&self, token: &str) -> Result<Session> {
        let (refresh, access) = self.drafts();
        let next = pair(refresh.hash, &access);
        let change = SessionChange::Rotate { token: hash_secret(token), next };
        let Changed::Session(SessionChanged::Rotated(rotation)) =
            self.commit(Change::Session(change)).await?
        else {
            return Err(Error::TokenInvalid);
        };
        match rotation {
            Rotation::Next(user) => self.session(user, refresh, access),
            Rotation::Unknown => Err(Error::TokenInvalid),
            Rotation::Expired => Err(Error::TokenExpired),
            Rotation::Reused(_) => {
                tracing::warn!("a refresh token was used twice; its session is ended");
                Err(Error::TokenReused)
            }
        }
    }

    /// Ends the session of a refresh token, if there is one, and revokes its access tokens.
    ///
    /// # Errors
    /// Only by a fault of the store.
    pub async fn logout(&self, token: &str) -> Result<()> {
        let change = SessionChange::End { token: hash_secret(token), now: Time::now() };
        self.commit(Change::Session(change)).await.map(drop)
    }

    /// Replaces the caller's password and ends all other sessions of the caller.
    ///
    /// # Errors
    /// `LoginRequired`, `Forbidden` for services and edges, `Invalid` when `current` is wrong, `EtagMismatch` when
    /// the password is changed by another call at the same time.
    pub async fn change_password(&self, caller: &Caller, current: String, next: String) -> Result<()> {
        let identity = person(caller)?;
        let known = self.store.credentials(&identity.name).await?;
        let (user, hash) =
            known.filter(|(user, _)| user.id.to_string() == identity.subject).ok_or(Error::TokenInvalid)?;
        if !self.passwords.verify(current, Some(hash.clone())).await? {
            tracing::info!(user = user.id, "a password change failed");
            return Err(Error::invalid("current_password", "is not the password of the caller"));
        }
        let next = self.passwords.hash(next).await?;
        let caller = identity.token.clone();
        let change = UserChange::SetPassword { id: user.id, current: hash, next, caller };
        self.commit(Change::User(change)).await?;
        tracing::info!(user = user.id, "a password was changed");
        Ok(())
    }

    /// The next tokens of a session.
    fn drafts(&self) -> (Secret, TokenDraft) {
        (Secret::generate(), self.tokens.draft())
    }

    async fn commit(&self, change: Change) -> Result<Changed> {
        revoking::commit(&*self.store, &self.standing, change, |_| Vec::new()).await
    }

    fn session(&self, user: User, refresh: Secret, access: TokenDraft) -> Result<Session> {
        let (subject, name) = (user.id.to_string(), user.username.clone());
        let holder = TokenHolder { subject, name, role: user.role, topics: Vec::new() };
        Ok(Session { access: self.tokens.issue(access, holder)?, refresh: refresh.text, user })
    }
}

fn failed_login() -> Error {
    tracing::info!("a sign-in failed");
    Error::LoginFailed
}

/// Admits callers who have a password.
fn person(caller: &Caller) -> Result<&Identity> {
    let identity = caller.identity()?;
    match identity.role {
        Role::User | Role::Admin => Ok(identity),
        Role::Service | Role::Edge => {
            let why = "a service token has no password; issue a new token with CreateServiceToken";
            Err(Error::Forbidden(why.to_owned()))
        }
    }
}

fn pair(refresh: TokenHash, access: &TokenDraft) -> TokenPair {
    TokenPair {
        refresh,
        refresh_expires: access.issued.plus(LONGEST_SESSION_TOKEN),
        access: access.id.clone(),
        access_expires: access.expires,
        issued: access.issued,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::auth::{Keyring, generate_key};
    use crate::model::NewUser;
    use crate::store::SqliteStore;

    #[tokio::test]
    async fn every_sign_in_compares_one_password() {
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(folder.path(), false).unwrap());
        let passwords = Passwords::new().unwrap();
        let keys = Keyring::new(&[generate_key(Time::now()).unwrap()]).unwrap();
        let tokens = Tokens::new(keys, std::time::Duration::from_secs(60));
        let sessions = Sessions::new(Arc::clone(&store), tokens, passwords.clone(), Standing::default());
        let (username, name, role) = ("alice".to_owned(), "Alice".to_owned(), Role::User);
        let (tags, email) = (Vec::new(), String::new());
        let password = passwords.hash("the password".to_owned()).await.unwrap();
        let user = NewUser { username, name, tags, email, role, password };
        sessions.commit(Change::User(UserChange::Create(user))).await.unwrap();

        for (username, password, fits) in
            [("alice", "the password", true), ("alice", "wrong", false), ("nobody", "wrong", false)]
        {
            let before = passwords.compared.load(Ordering::SeqCst);
            let login = sessions.login(username, password.to_owned()).await;
            assert_eq!(login.is_ok(), fits, "{username} {password}");
            assert_eq!(passwords.compared.load(Ordering::SeqCst), before + 1, "{username} {password}");
        }
    }
}
