//! gRPC-Web, Connect and gRPC for every method, at `/package.Service/Method`.

pub mod kind;
pub mod base64_text;
pub mod trailers;
pub mod framing;
pub mod messages;
pub mod fault;
pub mod clocks;
pub mod upload;
pub mod download;
pub mod call;
pub mod unary;
pub mod grpc;
pub mod grpc_web;
pub mod grpc_web_cookies;
pub mod connect;
pub mod refuse;
pub mod serve;
pub mod speak;

pub use kind::Kind;
pub use serve::{called, serve, unknown};
pub use speak::speak;
