//! Calls to the backends; the one place that names tonic.

pub mod codec;
pub mod deadline;
pub mod metadata;
mod discreet;
mod failure;
pub mod status;
mod news;
mod verdict;
pub mod breaker;
mod details;
mod budget;
pub mod resolve;
mod target;
mod manner;
pub mod endpoint;
mod backend;
pub mod remote;
mod retry;
pub mod connect;
pub mod call;
pub mod sending;
pub mod forward;
pub mod reflection;

pub use breaker::BreakerState;
pub use call::{Call, Messages, Reply, late};
pub use connect::Upstream;
pub use discreet::{discreet, type_name};
pub use endpoint::EndpointState;
pub use forward::{Answer, Forward};
pub use manner::ByEdge;
pub use remote::Served;
pub use resolve::Names;
pub use sending::Sending;
