//! The core over a real socket and a real database file.

mod harness;
mod identities;
mod users;
mod topics;
mod streams;
mod durability;
mod faces;
