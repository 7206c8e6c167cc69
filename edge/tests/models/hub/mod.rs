//! The hub under test.
#![allow(dead_code, unreachable_pub, missing_debug_implementations, reason = "the models need a part of it")]

pub use lastmile_edge::hub::{
    admission, audience, budget, counts, item, outcome, ring, source, subject, subscription,
};

pub mod sync;
pub mod supply;
#[path = "../../../src/hub/rare.rs"]
pub mod rare;
#[path = "../../../src/hub/latest.rs"]
pub mod latest;
#[path = "../../../src/hub/feed.rs"]
pub mod feed;
#[path = "../../../src/hub/registry.rs"]
pub mod registry;
#[path = "../../../src/hub/pump.rs"]
pub mod pump;
#[path = "../../../src/hub/private.rs"]
pub mod private;
#[path = "../../../src/hub/part.rs"]
pub mod part;
