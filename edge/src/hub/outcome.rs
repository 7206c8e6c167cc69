//! What became of a subscriber's cursor: the first thing every stream says.

use crate::cursor::Place;

/// What became of a cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Opened without a cursor.
    Fresh,
    /// Continues right after the cursor.
    Resumed,
    /// Cannot continue: events may be missing.
    Gap(GapReason),
}

/// Why a stream cannot continue from a cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GapReason {
    /// Older than what is kept.
    Expired,
    /// Of another incarnation of the log.
    EpochChanged,
    /// Older than what this edge still holds of a stream that has no cursor of its own.
    Overflow,
    /// Of another stream, or no cursor at all.
    CursorMismatch,
}

/// How one stream of a subscription began.
#[derive(Debug, Clone)]
pub struct Opening {
    /// What names the stream to the browser: the split value, else the method.
    pub key: String,
    pub outcome: Outcome,
    /// How many events follow at once because they came since the cursor, where that is known.
    pub replayed: Option<u64>,
    /// Where it begins, when that is known.
    pub place: Option<Place>,
}

impl Outcome {
    pub fn name(self) -> &'static str {
        match self {
            Self::Fresh => "FRESH",
            Self::Resumed => "RESUMED",
            Self::Gap(_) => "GAP",
        }
    }

    pub fn reason(self) -> Option<&'static str> {
        match self {
            Self::Gap(reason) => Some(reason.name()),
            Self::Fresh | Self::Resumed => None,
        }
    }
}

impl GapReason {
    pub const ALL: [Self; 4] = [Self::Expired, Self::EpochChanged, Self::Overflow, Self::CursorMismatch];

    pub fn name(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::EpochChanged => "epoch_changed",
            Self::Overflow => "overflow",
            Self::CursorMismatch => "cursor_mismatch",
        }
    }
}
