//! The edge's own logic against real descriptors and a scripted backend: no sockets, no waiting.

mod shop;
mod backend;
mod subscriber;
mod arbitrary;
mod cursors;
mod scramble;
mod json;
mod reading;
mod wire;
mod rules;
mod items;
mod requests;
mod feeds;
mod splits;
mod faces;
mod delivery;
