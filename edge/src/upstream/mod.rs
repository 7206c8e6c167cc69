//! Calls to the backend; the one place that names tonic.

pub mod codec;
pub mod deadline;
pub mod metadata;
pub mod status;
pub mod connect;
pub mod call;
pub mod forward;
pub mod reflection;

pub use call::{Call, Messages, Reply, late};
pub use connect::Upstream;
pub use forward::{Answer, Forward};
