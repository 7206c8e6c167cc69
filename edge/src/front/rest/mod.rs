//! Calls over HTTP that have one answer, and streams of bytes.

pub mod envelope;
pub mod http_body;
pub mod answer;
pub mod unary;
pub mod outgoing;
pub mod upload;
pub mod download;

pub use download::download;
pub use unary::unary;
pub use upload::upload;
