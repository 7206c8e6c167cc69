//! WebSocket (RFC 6455) as a server speaks it, without sockets: bytes in, messages out, and frames of bytes that many
//! connections can share.

pub mod accept;
pub mod decode;
pub mod encode;

pub use accept::accept_key;
pub use decode::{Decoder, Fault, Incoming};
pub use encode::{close, frame, ping, pong};
