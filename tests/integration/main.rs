//! The product as browsers, backends and operators meet it.

mod auth;
mod bad_input;
mod bad_streams;
mod config;
mod cors;
mod disk;
mod durability;
mod faces;
mod foreign;
mod limits;
mod logs;
mod openapi;
mod rolling;
mod sessions;
mod sharing;
mod shutdown;
mod stalled;
mod streams;
mod tokens;
mod tools;
mod tracing;
mod upstream;
mod users;
