//! One reason: where it is told, what it means, what to do.

use crate::code::Code;

/// A reason that the edge gives.
#[derive(Debug, Clone, Copy)]
pub struct Reason {
    /// For programs; it does not change.
    pub name: &'static str,
    pub places: &'static [Place],
    pub cause: &'static str,
    /// What whoever meets it sees.
    pub seen: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
    /// Whether the same request may do well later, with nothing changed.
    pub retryable: bool,
}

/// Where a reason is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// `reason` of a failed call or request.
    Error { code: Code, status: u16 },
    /// `reason` of a stream in `lm-open`, with the outcome `GAP`.
    Gap,
    /// `reason` in `lm-skipped`.
    Skipped,
    /// `reason` in `lm-close`.
    Close,
    /// `reason` of `goaway`, on a session that goes on otherwise.
    Goaway,
    /// How a WebSocket is closed, after `goaway`.
    WebSocket { code: u16 },
}

impl Place {
    /// Its name in the served table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error { .. } => "error",
            Self::Gap => "gap",
            Self::Skipped => "skipped",
            Self::Close => "close",
            Self::Goaway => "goaway",
            Self::WebSocket { .. } => "websocket",
        }
    }
}

/// A reason of an error: name, where it is told, cause, what is seen, what to do.
pub(super) const fn reason(
    name: &'static str,
    places: &'static [Place],
    cause: &'static str,
    seen: &'static str,
    remedy: &'static str,
) -> Reason {
    Reason { name, places, cause, seen, remedy, retryable: false }
}

impl Reason {
    /// Waiting is enough.
    pub(super) const fn again(self) -> Self {
        Self { retryable: true, ..self }
    }
}

/// The place of an error with the usual HTTP status of its code.
pub(super) const fn error(code: Code) -> Place {
    error_as(code, code.usual_status())
}

/// The place of an error with another HTTP status than the usual one.
pub(super) const fn error_as(code: Code, status: u16) -> Place {
    Place::Error { code, status }
}
