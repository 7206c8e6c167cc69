//! Requests from browsers: each file is a face, or the way to it.

pub mod head;
pub mod document;
pub mod lobby;
pub mod state;
pub mod tickets;
pub mod admit;
pub mod cookie_rules;
pub mod body;
pub mod exchange;
pub mod rest;
pub mod stream;
pub mod poll;
pub mod rpc;
pub mod session;
pub mod console;
pub mod metrics;
pub mod ops;
pub mod openapi;
pub mod client;
pub mod own;
mod dispatch;

pub use dispatch::dispatch;
pub use document::Document;
pub use state::{Front, Shared};
