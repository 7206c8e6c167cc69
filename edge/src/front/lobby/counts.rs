//! What sessions have done so far, for metrics.

use crate::count::Count;

/// The numbers of all sessions.
#[derive(Debug, Default)]
pub struct Counts {
    pub opened: Count,
    pub open: Count,
    pub parked: Count,
    pub resumed: Count,
    pub superseded: Count,
    pub unknown: Count,
    pub calls: Count,
    pub refused: Count,
    /// Connections that were sent to the fallback by a breaker.
    pub broken: Count,
    /// Connections by event stream.
    pub legs: Count,
    pub migrated: Count,
    pub violations: Count,
}
