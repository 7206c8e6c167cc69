//! Connect: its unary calls and its streams.

pub mod accepted;
pub mod error;
pub mod get;
pub mod stream;
pub mod unary;
