//! What the core does, whoever asks: sign in, keep users, carry events.

mod message;
mod document_message;
mod access;
mod standing;
mod revoking;
mod key_file;
mod signing_keys;
mod service_tokens;
mod sessions;
mod users;
mod setup;
mod topics;
mod retention;
mod topic_admin;
mod documents;
mod logs;
mod dev;

pub use access::{check_follower, check_member};
pub use dev::{publish_ticks, seed};
pub use document_message::{document_change_message, document_message};
pub use documents::{DocumentVersion, Documents};
pub use logs::{LogFilter, Logs};
pub use message::{
    event_message, log_message, read_revocation, revocation_message, topic_message, user_change_message,
    user_message,
};
pub use retention::keep_retention;
pub use revoking::RevocationLog;
pub use service_tokens::{NewServiceToken, ServiceTokens};
pub use sessions::{Session, Sessions};
pub use setup::{SetUp, administrator};
pub use signing_keys::SigningKeys;
pub use standing::{Revision, Standing};
pub use topic_admin::TopicAdmin;
pub use topics::{Feed, History, Publication, Topics};
pub use users::Users;
