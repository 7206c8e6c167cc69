//! Reasons that lie behind the edge, or in it: backends that are away, late or wrong, and a drain.

use crate::code::Code;

use super::reason::{Place, Reason, error, error_as, reason};

const UNAVAILABLE: &[Place] = &[error(Code::Unavailable)];
const UNIMPLEMENTED: &[Place] = &[error(Code::Unimplemented)];
const DATA_LOSS: &[Place] = &[error(Code::DataLoss)];
const INTERNAL: &[Place] = &[error(Code::Internal)];
const BAD_GATEWAY: &[Place] = &[error_as(Code::Internal, 502)];

pub(super) const ERRORS: &[Reason] = &[
    reason(
        "SCHEMA_UNAVAILABLE",
        UNAVAILABLE,
        "The edge has not heard yet what its backends declare.",
        "503 with `Retry-After`.",
        "Wait; when it lasts, see whether the backend runs and serves reflection.",
    )
    .again(),
    reason(
        "UPSTREAM_UNAVAILABLE",
        UNAVAILABLE,
        "The backend cannot be reached.",
        "503 with `Retry-After`. A native EventSource gets `lm-close` with `upstream_unavailable`.",
        "Wait; the edge's log says when that began and why.",
    )
    .again(),
    reason(
        "UPSTREAM_CUT",
        UNAVAILABLE,
        "The backend, or a proxy before it, ended an answer without its trailers.",
        "503, or the end of a stream that can be resumed.",
        "Call again where that is safe; see whether a proxy limits the length of calls.",
    )
    .again(),
    reason(
        "UPSTREAM_BREAK",
        UNAVAILABLE,
        "The backend left out an event: `previous` of one is not the cursor of the one before.",
        "`lm-close` with `upstream_unavailable`, then the stream resumes without a hole.",
        "Nothing; when it comes often, the backend breaks its promise of order.",
    )
    .again(),
    reason(
        "EVENT_LOST",
        DATA_LOSS,
        "The backend left out the same event five times: it has lost it.",
        "`lm-error`; the stream cannot go on from its cursor.",
        "Open it without a cursor and read the state anew; see what became of the backend's log.",
    ),
    reason(
        "UPSTREAM_BREAKER_OPEN",
        UNAVAILABLE,
        "Too many calls to the backend failed of late, and it is left alone for a moment.",
        "503 with `Retry-After`. A native EventSource gets `lm-close` with `upstream_unavailable`.",
        "Wait as `Retry-After` says; the edge's log says when that began.",
    )
    .again(),
    reason(
        "POSITION_MISSING",
        UNAVAILABLE,
        "The backend opened a stream with a cursor but did not say its position within 10 s.",
        "503.",
        "Have the backend send a position first on every call (annotations.proto).",
    )
    .again(),
    reason(
        "CREDENTIAL_REFUSED",
        UNAVAILABLE,
        "The backend refuses the credential with which the edge itself opens streams that callers share.",
        "503. A native EventSource gets `lm-close` with `upstream_unavailable`. What the backend says is in the edge's log.",
        "The edge's operator sets `credential` (of the upstream, where there are several) to a token of a service account \
         that may open the stream.",
    )
    .again(),
    reason(
        "STREAM_BROKEN",
        INTERNAL,
        "The edge failed, by a fault of its own, while it read the stream for all who share it.",
        "500 before the first event; afterwards, and for a native EventSource, `lm-close` with `upstream_unavailable`.",
        "Open it again with the cursor, which loses nothing; report the panic in the edge's log.",
    )
    .again(),
    reason(
        "UPSTREAM_NOT_GRPC",
        // Whatever the status is in gRPC ("HTTP to gRPC Status Code Mapping"); mostly this.
        UNAVAILABLE,
        "What answered for the backend does not speak gRPC: a proxy, or the wrong port. The code follows its HTTP status.",
        "Mostly 503.",
        "Point `upstream.url` at the gRPC port; see what stands between.",
    ),
    reason(
        "UPSTREAM_MESSAGE_INVALID",
        BAD_GATEWAY,
        "A message of the backend is not of the type that it declares.",
        "502; where a stream begins with it 500.",
        "Have the backend serve the descriptors that it was built with; `POST /reload` reads them again.",
    ),
    reason(
        "UPSTREAM_MESSAGE_MISSING",
        BAD_GATEWAY,
        "The backend answered a unary call with no message, or with several.",
        "502.",
        "Mend the backend.",
    ),
    reason(
        "UPSTREAM_MESSAGE_TOO_LARGE",
        &[error_as(Code::ResourceExhausted, 502)],
        "A message of the backend is larger than `limits.message_bytes`.",
        "502.",
        "Ask for less (a smaller page, a field mask), or raise the limit.",
    ),
    reason(
        "DEADLINE_EXCEEDED",
        &[error(Code::DeadlineExceeded)],
        "The call took longer than `calls.timeout`, `upstream.timeout` or what the caller asked for.",
        "504. What the call has changed may stay changed.",
        "Call again where that is safe; ask for less, or for more time.",
    )
    .again(),
    reason(
        "DRAINING",
        UNAVAILABLE,
        "This edge shuts down: it begins no more streams, and those that are open end, each in its turn.",
        "503 with `Retry-After`, or UNAVAILABLE in the trailers. A native EventSource gets `lm-close` with `drain`.",
        "Connect again in a moment; another edge will answer.",
    )
    .again(),
    reason(
        "CUT_BY_DRAIN",
        UNAVAILABLE,
        "This edge shuts down and could wait for this call no longer. The backend may have seen it.",
        "503 with `Retry-After`, or UNAVAILABLE in the trailers or the `end` of a session. What the call has changed may stay \
         changed.",
        "Call again in a moment where that is safe.",
    )
    .again(),
    reason(
        "REFLECTION_MISSING",
        UNIMPLEMENTED,
        "The backend does not serve reflection.",
        "The edge does not start, and says so.",
        "Serve reflection, or give `--descriptors FILE`.",
    ),
    reason(
        "REFLECTION_FAILED",
        INTERNAL,
        "The backend's reflection gave an error, or what cannot be understood.",
        "A line in the edge's log; descriptors that were read before stay.",
        "Mend the backend's reflection, or give `--descriptors FILE`.",
    )
    .again(),
    reason(
        "INTERNAL",
        INTERNAL,
        "The edge could not handle the request.",
        "500.",
        "The edge's log has the cause, under the `trace_id` of the answer. Please report it.",
    ),
];
