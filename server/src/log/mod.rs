//! The reading side of the event log: cursors, slices, and following the end.

mod cursor;
mod reader;
mod filter;
mod tail;

pub use filter::Filter;
pub use reader::Log;
pub use tail::{Delivery, Start, Tail};
