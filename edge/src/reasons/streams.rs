//! Reasons inside streams: what became of a cursor, what was left out, why the edge ends it.

use crate::code::Code;

use super::reason::{Place, Reason, error, reason};

/// Why the edge ends a stream that could go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    Drain,
    MaxAge,
    TokenExpired,
    TokenRevoked,
    TicketExpired,
    UpstreamUnavailable,
    Overload,
    SlowConsumer,
    AccessLost,
}

impl CloseReason {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Drain,
        Self::MaxAge,
        Self::TokenExpired,
        Self::TokenRevoked,
        Self::TicketExpired,
        Self::UpstreamUnavailable,
        Self::Overload,
        Self::SlowConsumer,
        Self::AccessLost,
    ];

    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Drain => "drain",
            Self::MaxAge => "max_age",
            Self::TokenExpired => "token_expired",
            Self::TokenRevoked => "token_revoked",
            Self::TicketExpired => "ticket_expired",
            Self::UpstreamUnavailable => "upstream_unavailable",
            Self::Overload => "overload",
            Self::SlowConsumer => "slow_consumer",
            Self::AccessLost => "access_lost",
        }
    }
}

const GAP: &[Place] = &[Place::Gap];
const SKIPPED: &[Place] = &[Place::Skipped];
const CLOSE: &[Place] = &[Place::Close];
const UNAVAILABLE: &[Place] = &[error(Code::Unavailable)];

pub(super) const REASONS: &[Reason] = &[
    reason(
        "expired",
        GAP,
        "The cursor is older than what the backend keeps.",
        "`GAP` in `lm-open`; the stream goes on from now.",
        "Read the state anew: events are missing that cannot be had any more.",
    ),
    reason(
        "epoch_changed",
        GAP,
        "The cursor is of another life of the log: it was restored or begun anew, or the edge numbers this stream itself and \
         was restarted.",
        "`GAP` in `lm-open`; the stream goes on from now.",
        "Read the state anew.",
    ),
    reason(
        "overflow",
        GAP,
        "The cursor is older than what this edge still holds of a stream whose backend names no cursor.",
        "`GAP` in `lm-open`; the stream goes on from now.",
        "Read the state anew; have the backend declare a cursor.",
    ),
    reason(
        "cursor_mismatch",
        GAP,
        "The cursor is of another stream, or none at all.",
        "`GAP` in `lm-open`; the stream goes on from now.",
        "Keep the cursor with the request that it came from; read the state anew.",
    ),
    reason(
        "unreadable",
        SKIPPED,
        "A message of the backend is not of the type that it declares.",
        "`lm-skipped` in the place of the event.",
        "Read the state anew; have the backend serve its present descriptors.",
    ),
    reason(
        "too_large",
        SKIPPED,
        "An event is larger than `limits.message_bytes`.",
        "`lm-skipped` in the place of the event.",
        "Read the state anew; send references instead of contents.",
    ),
    reason(
        "event_name",
        SKIPPED,
        "An event has a name that cannot stand in a stream (`lm-*`, `open`, `error`, `message`, other letters).",
        "`lm-skipped` in the place of the event.",
        "Rename it in the backend.",
    ),
    reason(
        "unwritable",
        SKIPPED,
        "An event cannot be written as JSON, such as an Any of a broken message.",
        "`lm-skipped` in the place of the event.",
        "Read the state anew; the edge's log has the cause.",
    ),
    reason(
        "drain",
        CLOSE,
        "This edge shuts down.",
        "`lm-close` at a moment of this stream's own within `drain.window`, so that not all come back at once, with a short \
         `retry:`.",
        "Come back with the cursor; EventSource does by itself.",
    )
    .again(),
    reason(
        "max_age",
        CLOSE,
        "The stream has lived as long as its rule allows.",
        "`lm-close`.",
        "Come back with the cursor; EventSource does by itself.",
    )
    .again(),
    reason(
        "token_expired",
        CLOSE,
        "The token has expired, and 25 s more have passed; or it had when the stream was asked for.",
        "`lm-close`. Until there is a new token, each return is answered in the same way.",
        "Refresh the token, then come back with the cursor.",
    )
    .again(),
    reason(
        "token_revoked",
        CLOSE,
        "The token was withdrawn: by logging out, a new password, or an administrator.",
        "`lm-close` within a second, then 401 for whoever comes back with it.",
        "Log in again.",
    ),
    reason(
        "ticket_expired",
        CLOSE,
        "The ticket was not used within 30 s.",
        "`lm-close` and nothing else; after another 30 s 401.",
        "Close the EventSource, get a new ticket, and connect with that.",
    ),
    reason(
        "upstream_unavailable",
        CLOSE,
        "The backend went away, cannot be reached, or broke its promise of order.",
        "`lm-close`.",
        "Come back with the cursor; EventSource does by itself.",
    )
    .again(),
    reason(
        "overload",
        CLOSE,
        "Too many requests of this caller or address.",
        "`lm-close` instead of 429, for a native EventSource.",
        "Come back after `retry:`; EventSource does by itself.",
    )
    .again(),
    reason(
        "slow_consumer",
        CLOSE,
        "The client takes what is sent more slowly than the edge can wait for.",
        "`lm-close`, or a connection that is cut where even that cannot be sent.",
        "Come back with the cursor; subscribe to less.",
    )
    .again(),
    reason(
        "access_lost",
        CLOSE,
        "The caller may not read this stream any more.",
        "`lm-close`, then 403.",
        "Ask for the right; the token is still good for others.",
    ),
    reason(
        "GAP",
        &[error(Code::OutOfRange)],
        "What `GAP` is elsewhere, in the lines of grpc-gateway (`rest.compat`): its clients know only errors.",
        "A first line with `error`; the stream goes on.",
        "Read the state anew.",
    ),
    reason(
        "EVENT_SKIPPED",
        &[error(Code::Internal)],
        "What `lm-skipped` is elsewhere, in the lines of grpc-gateway.",
        "A line with `error`; the stream goes on.",
        "Read the state anew.",
    ),
    reason(
        "STREAM_CLOSED",
        UNAVAILABLE,
        "What `lm-close` is elsewhere, in the lines of grpc-gateway.",
        "A last line with `error`.",
        "Open the stream again.",
    )
    .again(),
];
