//! The gRPC core of lastmile: identities, users, topics and their events, on one durable log.
//!
//! Read the modules from the ground floor up. [`error`] knows every way to fail and its face on the wire. [`config`],
//! [`flags`] and [`telemetry`] are for the binaries, [`folder`] keeps two of them from
//! one data folder. [`model`] has the nouns. [`store`] keeps records and the log, with one
//! write path: a change and the event that tells of it are one transaction; [`maintenance`] copies and checks it. [`log`] reads: cursors, slices, and
//! [`log::Tail`], which follows topics so that what was and what comes take one path. [`auth`] makes callers of
//! tokens. [`domain`] decides who may do what, and does it. [`service`] speaks gRPC, one service a file. [`layer`]
//! holds what every call passes: span, deadline, identity. [`app`] wires them into a [`Core`](app::Core), which
//! [`serve`] puts on a socket, and the all-in-one process calls directly.
//!
//! A publish goes `service::topic` → `service::parse` → `domain::Topics` → `store` (one thread, group commit, sync)
//! and wakes the tails, each of which reads its slice by cursor and hands it to its stream.

pub mod error;
pub mod config;
pub mod flags;
pub mod telemetry;
pub mod folder;
pub mod model;
pub mod store;
pub mod maintenance;
pub mod log;
pub mod auth;
pub mod domain;
pub mod service;
pub mod layer;
pub mod app;
pub mod serve;
