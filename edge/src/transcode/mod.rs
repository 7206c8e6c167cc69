//! Protobuf to JSON and back, without sockets.

pub mod scalar;
pub mod strict;
pub mod read_json;
pub mod write_json;
pub mod canonical;
pub mod query;
pub mod mask;
pub mod request;
pub mod sse;
pub mod line;

pub use canonical::canonical;
pub use query::Parameter;
pub use read_json::read_json;
pub use request::{Parts, request};
pub use write_json::{write_field_json, write_json};
