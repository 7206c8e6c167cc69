//! Who writes a stream to the socket, in the form of its face.

pub mod headers;
pub mod chunk;
pub mod held;
pub mod framing;
pub mod sse;
pub mod lines;
pub mod gateway;
pub mod array;
pub mod jitter;
pub mod clock;
pub mod body;
pub mod handover;
pub mod chunked;
pub mod websocket;

pub use array::Array;
pub use body::{BrokenOff, Pace, body};
pub use chunk::Chunk;
pub use chunked::write_chunked;
pub use framing::Framing;
pub use gateway::GatewayLines;
pub use handover::{Handover, Lasting};
pub use headers::stream_headers;
pub use held::held;
pub use jitter::jittered;
pub use lines::Lines;
pub use sse::Sse;
