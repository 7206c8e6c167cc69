//! The embedded store: SQLite with a write-ahead log and `synchronous=FULL`.
//!
//! One thread writes, many commits to a transaction (group commit); a pool of connections reads.

mod schema;
mod users;
mod sessions;
mod topics;
mod events;
mod documents;
mod apply;
mod writer;
mod readers;
mod database;

pub use database::SqliteStore;
