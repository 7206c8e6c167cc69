//! Calls to the backend; the one place that names tonic.

pub mod codec;
pub mod deadline;
pub mod metadata;
pub mod status;
pub mod connect;
pub mod call;
pub mod reflection;

pub use call::{Call, Messages, Reply};
pub use connect::Upstream;
