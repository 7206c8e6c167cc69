//! The store on real files: older versions, crashes, broken disks, copies, old events.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod harness;
mod migration;
mod recovery;
mod retention;
mod forgetting;
mod backup;
