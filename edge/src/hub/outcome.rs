//! What became of a subscriber's cursor: the first thing every stream says.

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
    /// Of another stream, or no cursor at all.
    CursorMismatch,
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
            Self::Gap(GapReason::Expired) => Some("expired"),
            Self::Gap(GapReason::EpochChanged) => Some("epoch_changed"),
            Self::Gap(GapReason::CursorMismatch) => Some("cursor_mismatch"),
            Self::Fresh | Self::Resumed => None,
        }
    }
}
