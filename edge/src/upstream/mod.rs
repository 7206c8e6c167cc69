//! Calls to the backends; the one place that names tonic, and h2 below it.

pub mod envelope;
pub mod gzip;
pub mod deadline;
pub mod metadata;
mod discreet;
mod news;
mod failure;
pub mod status;
mod details;
mod budget;
pub mod resolve;
mod body;
mod http2;
mod tls;
mod target;
mod connection;
mod pool;
pub mod endpoint;
mod incoming;
mod read;
mod backend;
pub mod remote;
mod retry;
pub mod connect;
pub mod call;
pub mod sending;
pub mod forward;
pub mod reflection;

pub use call::{Call, Messages, Reply, late};
pub use connect::Upstream;
pub use discreet::{discreet, type_name};
pub use endpoint::EndpointState;
pub use forward::{Answer, Forward};
pub use remote::Served;
pub use resolve::Names;
pub use sending::Sending;
