//! The edge against real descriptors and a scripted backend: its logic without sockets, its RPC faces over real ones.

mod shop;
mod backend;
mod subscriber;
mod arbitrary;
mod cursors;
mod scramble;
mod json;
mod wire;
mod rules;
mod items;
mod requests;
mod feeds;
mod splits;
mod faces;
mod delivery;
mod rpc;
