//! stub
pub mod error;
pub mod cursor;
pub mod schema;
pub mod transcode;
pub mod upstream;
