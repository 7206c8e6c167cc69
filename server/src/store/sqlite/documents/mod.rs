//! Documents in SQL. Their changes are made in the one thread that writes, so the check for conflicts needs no lock.

mod history;
mod records;
mod known;
mod commit;
mod apply;
mod forget;

pub(super) use apply::apply;
pub(super) use forget::{forget_deleted, forget_operations};
pub(super) use records::{find, find_log, list};
