//! Users.

use super::role::Role;
use super::time::Time;

/// A person who signs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Number, from 1, never given twice.
    pub id: i32,
    /// Display name.
    pub name: String,
    /// Free labels in the order given.
    pub tags: Vec<String>,
    /// Login name; unique, never changed.
    pub username: String,
    /// Mail address; may be empty.
    pub email: String,
    /// `User` or `Admin`.
    pub role: Role,
    /// When the user was created.
    pub created: Time,
    /// When the user was last changed.
    pub updated: Time,
    /// Grows by one with every change.
    pub version: i64,
}

impl User {
    /// Changes with every change of the user.
    pub fn etag(&self) -> String {
        format!("v{}", self.version)
    }
}

/// A user to create.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// Login name.
    pub username: String,
    /// Display name.
    pub name: String,
    /// Free labels.
    pub tags: Vec<String>,
    /// Mail address; may be empty.
    pub email: String,
    /// `User` or `Admin`.
    pub role: Role,
    /// Argon2id hash in PHC format.
    pub password: String,
}

/// The fields of a user to change; `None` leaves a field as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserPatch {
    /// Display name.
    pub name: Option<String>,
    /// Free labels.
    pub tags: Option<Vec<String>>,
    /// Mail address.
    pub email: Option<String>,
    /// Role.
    pub role: Option<Role>,
}
