//! The embedded store: SQLite with a write-ahead log and `synchronous=FULL`.
//!
//! One thread writes, many commits to a transaction (group commit); a pool of connections reads.

mod schema;
mod revocations;
mod access_tokens;
mod users;
mod sessions;
mod signing_keys;
mod service_tokens;
mod topics;
mod events;
mod retention;
mod documents;
mod forgetting;
mod apply;
mod writer;
mod readers;
mod database;
mod check;
mod backup;

pub use backup::{backup, restore};
pub use check::{Report, check};
pub use database::{FILE, SqliteStore};
