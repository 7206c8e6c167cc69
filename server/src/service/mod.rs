//! The gRPC services, one a file. Each method reads as: parse, ask the domain, answer.

mod call;
mod page;
mod parse;
mod stream;
mod auth;
mod user;
mod topic;
mod sync;
mod document;
mod log;
mod edge_identity;

pub use auth::AuthApi;
pub use document::DocumentApi;
pub use edge_identity::EdgeIdentityApi;
pub use log::LogApi;
pub use stream::Streams;
pub use topic::TopicApi;
pub use user::UserApi;
