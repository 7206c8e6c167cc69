//! The body of a request: its bytes as they arrive, and what they hold.

pub mod incoming;
pub mod content;

pub use incoming::{Incoming, too_large, too_slow};
