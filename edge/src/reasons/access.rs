//! Reasons of those who keep the door: credentials, tickets, origins, rates.

use crate::code::Code;

use super::reason::{Place, Reason, error, reason};

const UNAUTHENTICATED: &[Place] = &[error(Code::Unauthenticated)];
const UNAVAILABLE: &[Place] = &[error(Code::Unavailable)];
const DENIED: &[Place] = &[error(Code::PermissionDenied)];
const EXHAUSTED: &[Place] = &[error(Code::ResourceExhausted)];

pub(super) const ERRORS: &[Reason] = &[
    reason(
        "TOKEN_MISSING",
        UNAUTHENTICATED,
        "The method is not public, and the request has no credential.",
        "401 with `WWW-Authenticate`.",
        "Log in, and send `Authorization: Bearer TOKEN` or the cookie.",
    ),
    reason(
        "TOKEN_EXPIRED",
        UNAUTHENTICATED,
        "The token was good once; its time is over.",
        "401 with `error_description=\"expired\"`. A native EventSource gets 200, `lm-close` with `token_expired`, and \
         comes back.",
        "Refresh the token, then call again.",
    ),
    reason(
        "TOKEN_REVOKED",
        UNAUTHENTICATED,
        "The token was withdrawn before its time: by logging out, a new password, or an administrator.",
        "401, on public streams too: without its cookie the stream would silently show less. EventSource gives up.",
        "Log in again. Coming back with the same token leads nowhere.",
    ),
    reason(
        "TOKEN_INVALID",
        UNAUTHENTICATED,
        "The token is malformed or forged, of another issuer or audience, or given twice.",
        "401. On public methods a cookie that is no good is cleared instead, and the call goes on without it.",
        "Send one token that the backend issued. Check `auth.issuer` and `auth.audience` when all of them are refused.",
    ),
    reason(
        "TICKET_INVALID",
        UNAUTHENTICATED,
        "The ticket is malformed or forged, of an edge with another key, given twice, or given beside `Authorization`.",
        "401; EventSource gives up.",
        "Get a ticket by `POST /tickets`. Several edges need the same `auth.ticket_key`.",
    ),
    reason(
        "TICKET_FOREIGN",
        UNAUTHENTICATED,
        "The ticket was given to a page of another origin.",
        "401; EventSource gives up.",
        "Have each page ask for its own. A proxy must pass `Host` as the browser sent it.",
    ),
    reason(
        "TICKET_EXPIRED",
        UNAUTHENTICATED,
        "The ticket was not used within 30 s.",
        "401. A native EventSource gets 200 and `lm-close` with `ticket_expired`, and for another 30 s comes back in vain.",
        "Close the EventSource, get a new ticket, and connect with that at once.",
    ),
    reason(
        "TICKET_SPENT",
        UNAUTHENTICATED,
        "The ticket has opened its one connection, or its time has been over for long. EventSource repeats its URL when it \
         connects again, the ticket included.",
        "401; EventSource gives up.",
        "Get a new ticket for each connection. An EventSource that shall come back by itself needs the cookie.",
    ),
    reason(
        "TICKETS_EXHAUSTED",
        EXHAUSTED,
        "More tickets are used at once than this edge remembers.",
        "429 with `Retry-After`; the ticket is still good.",
        "Wait a moment, and connect again with the same ticket.",
    )
    .again(),
    reason(
        "NO_ISSUER",
        &[error(Code::NotFound)],
        "This edge does not verify tokens, so it has neither keys to show nor tokens to seal.",
        "404 of `/.well-known/jwks.json` and `POST /tickets`.",
        "Have the backend implement EdgeIdentityService, or set `auth.keys`.",
    ),
    reason(
        "ISSUER_UNKNOWN",
        UNAVAILABLE,
        "An upstream that may be the issuer of the tokens has not been reached since the start.",
        "503 with `Retry-After` until it is there.",
        "Wait. Set `auth.keys` where the upstream that is away issues none.",
    )
    .again(),
    reason(
        "KEYS_UNAVAILABLE",
        UNAVAILABLE,
        "The keys that verify tokens cannot be fetched from the backend.",
        "503 with `Retry-After`.",
        "Wait. The edge's log has the cause.",
    )
    .again(),
    reason(
        "CROSS_SITE",
        DENIED,
        "Another site made the browser send this request, and the cookie with it.",
        "403.",
        "Send the token in `Authorization` when the page is of another site.",
    ),
    reason(
        "ORIGIN_REFUSED",
        DENIED,
        "The page's origin is neither the edge's own nor listed.",
        "403; in the browser a CORS error.",
        "Add the origin to `cors.origins`, exactly as the browser sends it.",
    ),
    reason(
        "HOST_INVALID",
        &[error(Code::InvalidArgument)],
        "The request has no `Host` header, or several.",
        "400.",
        "Send exactly one.",
    ),
    reason(
        "RATE_LIMITED",
        EXHAUSTED,
        "Too many requests of this address, or calls of this method by this caller.",
        "429 with `Retry-After` and `RateLimit`. A native EventSource gets `lm-close` with `overload`.",
        "Wait as `Retry-After` says.",
    )
    .again(),
    reason(
        "CONNECTIONS_EXHAUSTED",
        EXHAUSTED,
        "One address has more open connections than `limits.connections_per_address`.",
        "429, and the connection is closed.",
        "Use one connection for several streams (HTTP/2, or several topics in one stream), or raise the limit.",
    )
    .again(),
    reason(
        "STREAMS_EXHAUSTED",
        EXHAUSTED,
        "One caller or address has more open streams than `limits.streams_per_caller` or `limits.streams_per_address`.",
        "429. A native EventSource gets `lm-close` with `overload`.",
        "Close streams that nobody reads, ask for several topics in one, or raise the limit.",
    )
    .again(),
    reason(
        "OVERLOAD",
        UNAVAILABLE,
        "More streams are being opened than `streams.opens_per_second` lets in; those that are open are not hurt.",
        "503 with a `Retry-After` of this caller's own. A native EventSource gets `lm-close` with `overload`.",
        "Wait as `Retry-After` says; EventSource does by itself.",
    )
    .again(),
    reason(
        "ACCESS_LOST",
        DENIED,
        "The right to read a stream was taken away while it was read.",
        "`lm-close` with `access_lost`; coming back is refused as the backend says.",
        "Ask for the right; coming back later with the cursor misses nothing.",
    ),
    reason(
        "SLOW_CONSUMER",
        EXHAUSTED,
        "A stream without a cursor was read so slowly that the edge does not hold what is next.",
        "`lm-close` with `slow_consumer`.",
        "Read faster; have the backend declare a cursor.",
    )
    .again(),
];
