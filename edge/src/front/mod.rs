//! Requests from browsers: each file is a face, or the way to it.

pub mod etag;
pub mod document;
pub mod state;
pub mod tickets;
pub mod admit;
pub mod cookie_rules;
pub mod accept;
pub mod gunzip;
pub mod body;
pub mod content;
pub mod envelope;
pub mod conditions;
pub mod exchange;
pub mod http_body;
pub mod answer;
pub mod rest;
pub mod outgoing;
pub mod upload;
pub mod download;
pub mod stream;
pub mod poll;
pub mod rpc;
pub mod console;
pub mod openapi;
pub mod own;
pub mod dispatch;
pub mod ops;

pub use dispatch::dispatch;
pub use document::Document;
pub use state::{Front, Shared};
