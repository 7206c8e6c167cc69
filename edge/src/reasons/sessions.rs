//! How sessions are refused and closed: by `goaway`, then with a code of their own (RFC 6455, section 7.4.2).

use super::reason::{Place, Reason, reason};

pub(super) const REASONS: &[Reason] = &[
    reason(
        "session_unauthenticated",
        &[Place::WebSocket { code: 4401 }],
        "The token or ticket is missing, expired, revoked, spent or not valid; `goaway` says which.",
        "The WebSocket opens, gets `goaway`, and is closed with 4401: browser code cannot read the status of a refused \
         upgrade.",
        "Get a new token, or log in, then connect again.",
    ),
    reason(
        "session_forbidden",
        &[Place::WebSocket { code: 4403 }],
        "The credential is good, but may not do this.",
        "`goaway`, then 4403.",
        "Ask for the right; connecting again leads nowhere.",
    ),
    reason(
        "session_overload",
        &[Place::WebSocket { code: 4429 }],
        "Too many connections or requests of this client, or its connections failed again and again.",
        "`goaway` with the time to wait and the fallback, then 4429.",
        "Wait, or use the fallback.",
    )
    .again(),
    reason(
        "session_unavailable",
        &[Place::WebSocket { code: 4503 }],
        "The edge shuts down, or its backend is away.",
        "`goaway` with the time to wait, then 4503.",
        "Connect again after that time; another edge may answer.",
    )
    .again(),
    reason(
        "session_unknown",
        &[Place::Goaway],
        "The session that is to be resumed is not parked on this edge: it is another edge, or too late.",
        "`goaway` with this reason.",
        "Begin a new session, resume streams by cursor; calls that cannot be resumed have an unknown outcome.",
    ),
];
