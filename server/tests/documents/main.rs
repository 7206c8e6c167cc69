//! Documents in the real store, against a plain model of what must happen.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod json;
mod model;
mod script;
mod converge;
