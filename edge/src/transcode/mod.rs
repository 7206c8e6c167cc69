//! Protobuf to JSON and back, without sockets.

pub mod scalar;
pub mod strict;
pub mod read_json;
pub mod wire;
pub mod unwritable;
pub mod literal;
pub mod well_known;
pub mod message_set;
pub mod write;
pub mod pick;
pub mod canonical;
pub mod query;
pub mod mask;
pub mod set_paths;
pub mod well_formed;
pub mod payload;
pub mod request;
pub mod sse;
pub mod line;
pub mod pieces;

pub use canonical::canonical;
pub use payload::{Payload, http_body};
pub use pieces::Pieces;
pub use query::Parameter;
pub use read_json::read_json;
pub use request::{Parts, read_input, request};
pub use unwritable::Unwritable;
pub use write::{write_field_json, write_json};
