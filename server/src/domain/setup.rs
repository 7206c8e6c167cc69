//! The first start without demo data: who becomes the first administrator.

use std::sync::{Arc, Mutex, PoisonError};

use tracing::Instrument;

use super::users::Users;
use crate::auth::{Secret, hash_secret};
use crate::error::{Error, Result};
use crate::model::{NewUser, Role, User};

/// Lets the holder of the one-time token create the first administrator.
#[derive(Debug, Clone)]
pub struct SetUp {
    users: Users,
    /// Hash of the token; `None` once it is used, or when there never was one.
    token: Arc<Mutex<Option<[u8; 32]>>>,
}

impl SetUp {
    /// A set-up that nobody can make.
    pub fn closed(users: Users) -> Self {
        Self { users, token: Arc::default() }
    }

    /// A set-up with a fresh token, and the token.
    pub fn open(users: Users) -> (Self, String) {
        let secret = Secret::generate();
        (Self { users, token: Arc::new(Mutex::new(Some(secret.hash))) }, secret.text)
    }

    /// Creates the first administrator; the token is used up when that succeeds.
    ///
    /// # Errors
    /// `TokenInvalid` when the token is wrong or was used.
    pub async fn run(&self, token: &str, username: String, password: String) -> Result<User> {
        let hash = hash_secret(token);
        let taken = self.lock().take_if(|known| *known == hash);
        if taken.is_none() {
            return Err(Error::TokenInvalid);
        }
        let setup = self.clone();
        // A task of its own: the token comes back also when the caller leaves before the end.
        let task = async move {
            let created = setup.users.add("lastmile".to_owned(), administrator(username, password)).await;
            if created.is_err() {
                *setup.lock() = taken;
            }
            created
        };
        tokio::spawn(task.in_current_span()).await.map_err(Error::internal)?
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<[u8; 32]>> {
        self.token.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The first administrator; `password` is still the password itself.
pub fn administrator(username: String, password: String) -> NewUser {
    NewUser {
        name: username.clone(),
        username,
        tags: Vec::new(),
        email: String::new(),
        role: Role::Admin,
        password,
    }
}
