//! What the hub has done since its start, and for how many, as numbers for operators.

use crate::count::Count;

/// The numbers of a hub.
#[derive(Debug, Default)]
pub struct Counts {
    /// Calls by which streams were read from backends, those of `catch_ups` among them.
    pub calls: Count,
    /// Those of them that are open now.
    pub open_calls: Count,
    /// Calls for one reader alone, because the ring does not have what it wants next.
    pub catch_ups: Count,
    /// Events that were written as JSON.
    pub rendered: Count,
    /// Events that could not be.
    pub skipped: Count,
    /// Readers that are there now.
    pub readers: Count,
}
