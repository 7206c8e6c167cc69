//! Files of protobuf editions (protobuf.dev, "Feature Settings for Editions") as proto2 or proto3 ones that mean the same.
//!
//! What they say is in the encoded bytes; nothing is dropped from them, so that options that nobody here knows survive.

mod splice;
mod features;
mod declared;
mod lower;

pub use lower::lower;
