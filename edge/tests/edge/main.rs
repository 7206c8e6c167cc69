//! The edge's own logic against real descriptors and a scripted backend: no sockets, no waiting.

mod shop;
mod arbitrary;
mod cursors;
mod json;
mod requests;
