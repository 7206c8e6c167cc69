//! How a connection is refused: in band, because pages cannot read the status of a refused upgrade.

use crate::error::{Code, Error};
use crate::session::{Close, ServerFrame};

use super::super::lobby::Carrier;
use super::super::state::Front;
use super::clock::milliseconds;

/// The close that fits an error, and how long to wait before the next try.
pub fn close_of(error: &Error) -> (Close, u32) {
    let close = match error.code() {
        Code::Unauthenticated => Close::Unauthenticated,
        Code::PermissionDenied => Close::Forbidden,
        Code::ResourceExhausted => Close::Overload,
        _ => Close::Unavailable,
    };
    (close, error.retry_delay().map_or(0, milliseconds))
}

/// Refuses a connection, and says why.
pub fn refuse(front: &Front, mut carrier: Carrier, close: Close, goaway: &ServerFrame) {
    carrier.write(goaway);
    carrier.leave(Some(close.code()), close.name(), &front.sessions.tasks);
}

/// The frame that says why.
pub fn goaway(reason: &str, reconnect_ms: u32, fallback: &'static str) -> ServerFrame {
    ServerFrame::Goaway { reconnect_ms, fallback, reason: reason.to_owned() }
}
