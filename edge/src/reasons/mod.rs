//! Why things are refused, missing or over: every reason that the edge gives, as data.
//!
//! The same table is served at `/.well-known/lastmile/reasons`, is the page `edge/REASONS.md`, and is what `type` of a
//! problem points to. Nothing may be told for a reason that is not here; tests hold the code to it.

pub mod reason;
pub mod access;
pub mod requests;
pub mod backends;
pub mod streams;
pub mod sessions;
pub mod table;
pub mod page;

pub use page::{json, page};
pub use reason::{Place, Reason};
pub use streams::CloseReason;
pub use table::{PATH, all, find};
