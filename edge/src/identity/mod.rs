//! Whose tokens are good, and for how long: what they say, which are revoked, when a stream of theirs is over.

pub mod claims;
pub mod revocations;
pub mod standing;

pub use claims::{Claims, Rights};
pub use revocations::Revocations;
pub use standing::{Over, Standing};
