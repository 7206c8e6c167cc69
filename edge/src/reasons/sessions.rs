//! How sessions are refused and closed: by `goaway`, then with a code of their own (RFC 6455, section 7.4.2).

use crate::code::Code;

use super::reason::{Place, Reason, error, error_as, reason};

const INVALID: &[Place] = &[error(Code::InvalidArgument)];

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
        &[Place::Goaway, Place::WebSocket { code: 4404 }],
        "The session that is to be resumed is not on this edge: it is another edge, or too late, or another caller's, or \
         frames that its client missed are not kept any more.",
        "`goaway` with this reason; then 4404, unless another `hello` comes at once.",
        "Begin a new session, resume streams by cursor; calls that cannot be resumed have an unknown outcome.",
    ),
    reason(
        "session_protocol",
        &[Place::WebSocket { code: 4400 }],
        "A frame cannot be read, comes where none is due, or names a call or a frame that cannot be.",
        "`goaway` with what is wrong in words, then 4400. The session is parked.",
        "Mend the client; the protocol is in ARCHITECTURE.md.",
    ),
    reason(
        "session_superseded",
        &[Place::WebSocket { code: 4409 }],
        "A newer connection has taken the session.",
        "`goaway` on the older one, then 4409.",
        "Nothing; use the newer one.",
    ),
    reason(
        "session_silent",
        &[Place::WebSocket { code: 4408 }],
        "No `hello` came in time, or three heartbeats were not answered within 5 s each.",
        "4408, where anybody is there to see it.",
        "Connect again.",
    )
    .again(),
    reason(
        "session_framing",
        &[Place::WebSocket { code: 1002 }],
        "What came is no WebSocket: reserved bits or opcodes, no mask, a bad close, fragments out of order, or more pings \
         and empty fragments than anybody needs.",
        "1002. The session is parked.",
        "Use another WebSocket library.",
    ),
    reason(
        "session_not_text",
        &[Place::WebSocket { code: 1007 }],
        "A text message is not valid UTF-8.",
        "1007. The session is parked.",
        "Send text as text; send bytes under the subprotocol for protobuf.",
    ),
    reason(
        "session_too_large",
        &[Place::WebSocket { code: 1009 }],
        "A message, all its fragments together, is larger than `limits.body_bytes` and the frame around it.",
        "1009. The session is parked.",
        "Send less at once, or raise the limit.",
    ),
    reason(
        "SESSION_UNKNOWN",
        &[error(Code::NotFound)],
        "What `session_unknown` is in band: the session is on another edge, over, or another caller's.",
        "404 of `POST /stream/{session}` and `POST /hmr/migrate`.",
        "Begin a new session; streams go on by their cursors.",
    ),
    reason(
        "SESSION_SUPERSEDED",
        &[error(Code::Aborted)],
        "Frames came by `POST /stream/{session}` while a WebSocket carries the session.",
        "409. None of them was taken.",
        "Send them by the WebSocket, behind its `ready`.",
    ),
    reason(
        "FRAMES_AHEAD",
        &[error(Code::Aborted)],
        "The first frame of `POST /stream/{session}` does not follow on what the session has.",
        "409. None of them was taken.",
        "Send the frames between first; the message says which the session has.",
    ),
    reason(
        "FRAME_INVALID",
        INVALID,
        "A frame of `POST /stream/{session}` cannot be read or breaks the rules.",
        "400. When it broke the rules, the event stream gets `goaway` and ends.",
        "Mend the client.",
    ),
    reason(
        "SESSIONS_EXHAUSTED",
        &[error(Code::ResourceExhausted)],
        "A caller, or an address, has as many sessions open as `sessions.per_caller` or `sessions.per_address` allows.",
        "`goaway`, then 4429.",
        "Let the tabs of a browser share one session, or raise the limit.",
    )
    .again(),
    reason(
        "UPGRADE_REQUIRED",
        &[error_as(Code::FailedPrecondition, 426)],
        "`/ws` was asked for without a WebSocket.",
        "426 with `Upgrade`.",
        "Connect with `new WebSocket(url, \"lastmile.v1.json\")`; a proxy on the way must pass `Upgrade` on.",
    ),
    reason(
        "HANDSHAKE_INVALID",
        INVALID,
        "The handshake of a WebSocket lacks its key, version 13, or a subprotocol that is spoken here.",
        "400.",
        "Offer `lastmile.v1.json` or `lastmile.v1.proto`.",
    ),
    reason(
        "CALLS_EXHAUSTED",
        &[error(Code::ResourceExhausted)],
        "A session has as many calls open as `sessions.calls` allows.",
        "`end` with RESOURCE_EXHAUSTED.",
        "End calls that nobody waits for, or raise the limit.",
    )
    .again(),
    reason(
        "SEND_UNEXPECTED",
        INVALID,
        "A message, or its end, was sent on a call that takes none any more.",
        "`end` with INVALID_ARGUMENT; the call is cancelled.",
        "Send nothing behind `halfClose`, nor on methods that take one message.",
    ),
    reason(
        "CREDIT_EXCEEDED",
        &[error(Code::ResourceExhausted)],
        "More messages were sent on a call than the edge gave credit for, or more bytes than it holds for a session.",
        "`end` with RESOURCE_EXHAUSTED; the call is cancelled.",
        "Wait for `credit`.",
    ),
    reason(
        "CREDIT_OVERFLOW",
        INVALID,
        "The credit of a call would be more than a uint32 holds.",
        "`end` with INVALID_ARGUMENT; the call is cancelled.",
        "Give back only what was used.",
    ),
    reason(
        "CANCELLED",
        &[error(Code::Cancelled)],
        "The client cancelled the call.",
        "`end` with CANCELLED.",
        "Nothing.",
    ),
];
