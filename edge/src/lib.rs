//! lastmile-edge: translates any gRPC backend for browsers.
//!
//! The edge knows no business message at compile time. It learns services from descriptors, and carries each declared
//! method to browsers as REST JSON, as a resumable SSE stream, as NDJSON, JSON array or long poll, and to programs by
//! Connect, gRPC-Web and gRPC.
//!
//! Five trips explain the modules (ARCHITECTURE.md tells them in full):
//!
//! - *A browser POST* passes the guards of [`layer`], is matched in [`front::dispatch`] against the routes of
//!   [`schema`], becomes a message in [`transcode`], a call in [`upstream`], and JSON again in [`front::rest`].
//! - *A call by gRPC, gRPC-Web or Connect* is told from REST in [`front::rpc`], which makes gRPC frames of its body and its
//!   own form of the answer's.
//! - *An SSE subscribe* is opened by [`front::stream`] from its [`cursor`], read through [`hub`], and written by
//!   [`deliver`].
//! - *A WebSocket frame* is heard by the task of its session in [`front::session`], and goes through the machine of
//!   [`session`].
//! - *A publish* is a POST whose event comes back through every [`hub::Reader`] of its topic.
//!
//! Modules stand in reading order, from the ground floor up; a file names only what stands above it.

pub mod allocator;
pub mod base64_forms;
pub mod header_table;
pub mod telemetry;
pub mod count;
pub mod code;
pub mod reasons;
pub mod error;
pub mod ending;
pub mod gunzip;
pub mod rpc_status;
pub mod config;
pub mod drain;
pub mod error_style;
pub mod cursor;
pub mod identity;
pub mod schema;
pub mod transcode;
pub mod upstream;
pub mod bell;
pub mod hub;
pub mod session;
pub mod socket;
pub mod deliver;
pub mod layer;
pub mod openapi;
pub mod front;
pub mod guards;
pub mod learn;
pub mod fresh;
pub mod reload;
pub mod shutdown;
pub mod app;
mod connection;
pub mod workers;
pub mod serve;
