//! The core over a real socket and a real database file.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod harness;
mod identities;
mod passwords;
mod service_tokens;
mod revocations;
mod signing_keys;
mod users;
mod topics;
mod pages;
mod topic_admin;
mod logs;
mod streams;
mod documents;
mod document_watch;
mod document_sync;
mod process;
mod faces;
mod bad_requests;
mod dynamic;
mod access;
