//! What can be written: changes of records, with the events that tell of them.

mod user;
mod topic;
mod session;
mod document;
mod write;

pub use document::{DocumentChange, DocumentChanged};
pub use session::{Rotation, SessionChange, SessionChanged, TokenHash};
pub use topic::{TopicChange, TopicChanged};
pub use user::{UserChange, UserChanged};
pub use write::{Appended, Change, Changed, Committed, Write};
