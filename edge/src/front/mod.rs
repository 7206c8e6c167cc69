//! Requests from browsers: each file is a face, or the way to it.

pub mod state;
pub mod admit;
pub mod cookie_rules;
pub mod accept;
pub mod body;
pub mod etag;
pub mod exchange;
pub mod answer;
pub mod rest;
pub mod stream;
pub mod poll;
pub mod rpc;
pub mod console;
pub mod own;
pub mod dispatch;
pub mod ops;

pub use dispatch::dispatch;
pub use state::{Front, Shared};
