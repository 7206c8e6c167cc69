//! stub
pub mod telemetry;
pub mod error;
pub mod config;
pub mod cursor;
pub mod schema;
pub mod transcode;
pub mod upstream;
pub mod hub;
pub mod deliver;
