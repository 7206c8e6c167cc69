//! What can be written: changes of records, with the events that tell of them.

mod user;
mod topic;
mod session;
mod document;
mod signing_key;
mod service_token;
mod write;

pub use document::{DocumentChange, DocumentChanged};
pub use service_token::{ServiceTokenChange, ServiceTokenChanged};
pub use session::{Rotation, SessionChange, SessionChanged, TokenHash, TokenPair};
pub use signing_key::KeyChange;
pub use topic::{TopicChange, TopicChanged};
pub use user::{UserChange, UserChanged};
pub use write::{Appended, Change, Changed, Committed, Write};
