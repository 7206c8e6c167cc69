//! Users: reading, changing, watching.

use std::sync::Arc;

use super::access::{check_follower, check_member};
use super::message::user_change_event;
use super::revoking;
use super::standing::Standing;
use crate::auth::{Caller, Passwords};
use crate::error::{Error, Result};
use crate::log::{Log, Start, Tail};
use crate::model::{NewEvent, NewUser, Role, USERS_TOPIC, User, UserPatch};
use crate::store::{Change, Changed, Store, UserChange, UserChanged, UserPage, UserQuery};
use crate::telemetry::current_traceparent;

/// Reads, changes and watches users.
#[derive(Debug, Clone)]
pub struct Users {
    store: Arc<dyn Store>,
    log: Log,
    passwords: Passwords,
    standing: Standing,
}

impl Users {
    /// Users of a store.
    pub fn new(store: Arc<dyn Store>, log: Log, passwords: Passwords, standing: Standing) -> Self {
        Self { store, log, passwords, standing }
    }

    /// A page of users, and where the log of their changes stood.
    ///
    /// # Errors
    /// `LoginRequired`, `Forbidden`.
    pub async fn list(&self, caller: &Caller, query: UserQuery) -> Result<UserPage> {
        check_member(caller)?;
        self.store.users(query).await
    }

    /// One user.
    ///
    /// # Errors
    /// `LoginRequired`, `Forbidden`, `NotFound`.
    pub async fn get(&self, caller: &Caller, id: i32) -> Result<User> {
        check_member(caller)?;
        self.known(id).await
    }

    /// The user that is the caller; `None` for services and edges.
    ///
    /// # Errors
    /// `LoginRequired` for an anonymous caller, `TokenInvalid` when the user is gone.
    pub async fn me(&self, caller: &Caller) -> Result<Option<User>> {
        let identity = caller.identity()?;
        match identity.role {
            Role::User | Role::Admin => {
                let id = identity.subject.parse().map_err(|_| Error::TokenInvalid)?;
                Ok(Some(self.store.user(id).await?.ok_or(Error::TokenInvalid)?))
            }
            Role::Service | Role::Edge => Ok(None),
        }
    }

    /// Creates a user; `password` of `user` is the password itself and is hashed here.
    ///
    /// # Errors
    /// `LoginRequired`, `Forbidden`, `UsernameTaken`.
    pub async fn create(&self, caller: &Caller, user: NewUser) -> Result<User> {
        let publisher = caller.admin("create users")?.name.clone();
        self.add(publisher, user).await
    }

    /// Creates a user in the name of the server itself, at its start.
    ///
    /// # Errors
    /// `UsernameTaken`.
    pub async fn add(&self, publisher: String, user: NewUser) -> Result<User> {
        let password = self.passwords.hash(user.password).await?;
        self.change(publisher, UserChange::Create(NewUser { password, ..user })).await
    }

    /// Changes fields of a user; a new role revokes the tokens of the old one, and Refresh gives new ones.
    ///
    /// # Errors
    /// `LoginRequired`, `Forbidden`, `NotFound`, `EtagMismatch`, `LastAdmin`.
    pub async fn update(
        &self,
        caller: &Caller,
        id: i32,
        patch: UserPatch,
        etag: Option<String>,
    ) -> Result<User> {
        let identity = caller.identity()?;
        if identity.role != Role::Admin {
            if identity.subject != id.to_string() {
                return Err(Error::Forbidden("only administrators may change other users".to_owned()));
            }
            if patch.role.is_some() {
                return Err(Error::Forbidden("only administrators may change roles".to_owned()));
            }
        }
        self.change(identity.name.clone(), UserChange::Update { id, patch, etag }).await
    }

    /// Deletes a user and the user's sessions, and revokes the user's tokens.
    ///
    /// # Errors
    /// `LoginRequired`, `Forbidden`, `NotFound`, `EtagMismatch`, `LastAdmin`.
    pub async fn delete(&self, caller: &Caller, id: i32, etag: Option<String>) -> Result<()> {
        let publisher = caller.admin("delete users")?.name.clone();
        self.commit(publisher, UserChange::Delete { id, etag }).await?;
        Ok(())
    }

    /// Admits a caller who may watch users.
    ///
    /// # Errors
    /// `LoginRequired`, `Forbidden`.
    pub fn authorize_watch(caller: &Caller) -> Result<()> {
        check_follower(caller).map(drop)
    }

    /// Follows the changes of users.
    ///
    /// # Errors
    /// `LoginRequired`, and the errors of a cursor that cannot go on.
    pub async fn watch(&self, caller: &Caller, start: Start) -> Result<Tail> {
        Self::authorize_watch(caller)?;
        Tail::open(self.log.clone(), Arc::new([USERS_TOPIC]), start).await
    }

    async fn known(&self, id: i32) -> Result<User> {
        let user = self.store.user(id).await?;
        user.ok_or_else(|| Error::NotFound { kind: "user", name: id.to_string() })
    }

    async fn change(&self, publisher: String, change: UserChange) -> Result<User> {
        match self.commit(publisher, change).await? {
            Changed::User(UserChanged::User { user, .. }) => Ok(user),
            other => Err(Error::internal(format!("the store answered {other:?} to a change of a user"))),
        }
    }

    async fn commit(&self, publisher: String, change: UserChange) -> Result<Changed> {
        let traceparent = current_traceparent();
        let tell = |changed: &Changed| {
            let Changed::User(changed) = changed else {
                return Vec::new();
            };
            let event = user_change_event(changed).map(|(kind, body)| {
                let kind = kind.to_owned();
                NewEvent { topic: USERS_TOPIC, kind, publisher, traceparent, body, idempotency: None }
            });
            event.into_iter().collect()
        };
        revoking::commit(&*self.store, &self.standing, Change::User(change), tell).await
    }
}
