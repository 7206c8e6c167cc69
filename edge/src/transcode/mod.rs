//! Protobuf to JSON and back, without sockets.

pub mod wire;
pub mod encode;
pub mod unwritable;
pub mod literal;
pub mod well_known;
pub mod message_set;
pub mod write;
pub mod canonical;
pub mod read;
pub mod pick;
pub mod target;
pub mod query;
pub mod mask;
pub mod set_paths;
pub mod well_formed;
pub mod payload;
pub mod request;
pub mod rule_file;
pub mod sse;
pub mod line;
pub mod pieces;

pub use canonical::canonical;
pub use payload::{Payload, http_body};
pub use pieces::Pieces;
pub use query::Parameter;
pub use read::{ReadOptions, read_field_json, read_json};
pub use request::{Parts, read_input, request};
pub use target::Target;
pub use unwritable::Unwritable;
pub use write::{write_field_json, write_json};
