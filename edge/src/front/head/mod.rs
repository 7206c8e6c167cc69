//! What the head of a request asks for: a form of the answer, and conditions on what is there.

pub mod etag;
pub mod conditions;
pub mod accept;

pub use accept::{Face, face};
pub use etag::{Tags, etag};
