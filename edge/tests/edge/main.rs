//! The edge's own logic against real descriptors and a scripted backend: no sockets, no waiting.

mod shop;
mod backend;
mod subscriber;
mod arbitrary;
mod cursors;
mod scramble;
mod json;
mod reading;
mod any_text;
mod wire;
mod rules;
mod items;
mod requests;
mod queries;
mod feeds;
mod splits;
mod faces;
mod delivery;
