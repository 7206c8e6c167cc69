//! gRPC, gRPC-Web and Connect from a client's socket to a backend's.

pub(crate) mod cafe;
mod codec;
pub(crate) mod client;
pub(crate) mod stack;
mod grpc;
mod grpc_web;
mod connect_unary;
mod connect_stream;
mod guards;
mod discreet;
mod again;
mod bombs;
mod bounds;
mod ends;
mod turns;
