//! The nouns of the core: users, topics and events, as the rest of the crate speaks of them.

mod time;
mod role;
mod user;
mod filter;
mod topic;
mod event;
mod revocation;
mod signing_key;
mod token;

pub use event::{Idempotency, NewEvent, Seq, StoredEvent};
pub use filter::{FilterField, Term, UserFilter};
pub use revocation::{Revocation, RevocationTarget};
pub use role::{Role, UnknownRole};
pub use signing_key::StoredKey;
pub use time::Time;
pub use token::{LONGEST_SERVICE_TOKEN, LONGEST_SESSION_TOKEN, ServiceToken};
pub use topic::{
    ACCESS_TOPIC, LOGS_TOPIC, Member, NewTopic, Retention, Topic, TopicId, TopicRules, USERS_TOPIC,
    UnknownMember,
};
pub use user::{NewUser, User, UserPatch};
