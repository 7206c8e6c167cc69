//! Reasons that lie in the request: its route, form, body and fields.

use crate::code::Code;

use super::reason::{Place, Reason, error, error_as, reason};

const INVALID: &[Place] = &[error(Code::InvalidArgument)];
const NOT_FOUND: &[Place] = &[error(Code::NotFound)];
const UNIMPLEMENTED: &[Place] = &[error(Code::Unimplemented)];
const UNSUPPORTED_MEDIA: &[Place] = &[error_as(Code::InvalidArgument, 415)];

pub(super) const ERRORS: &[Reason] = &[
    reason(
        "ROUTE_NOT_FOUND",
        NOT_FOUND,
        "No method is bound to this path.",
        "404.",
        "Look the path up in `/openapi.json` or with `lastmile-edge routes`; mind `paths.prefix`.",
    ),
    reason(
        "METHOD_NOT_ALLOWED",
        &[error_as(Code::Unimplemented, 405)],
        "The path is there, but not for this HTTP method.",
        "405 with `Allow`.",
        "Use a method that `Allow` names.",
    ),
    reason(
        "METHOD_UNKNOWN",
        UNIMPLEMENTED,
        "No backend has the gRPC method that is called.",
        "501, or the gRPC status UNIMPLEMENTED.",
        "Check service and method; generate the client again from the present descriptors.",
    ),
    reason(
        "NOT_SERVED",
        NOT_FOUND,
        "This edge does not show its descriptors, its metrics or its OpenAPI document.",
        "404.",
        "Set `paths.descriptors`, `paths.metrics` or `paths.openapi`, or run with `--dev`.",
    ),
    reason(
        "PATH_INVALID",
        INVALID,
        "The path has percent-encoding that cannot be decoded.",
        "400.",
        "Encode it with `encodeURIComponent`, part by part.",
    ),
    reason(
        "QUERY_INVALID",
        INVALID,
        "The query has percent-encoding that cannot be decoded.",
        "400.",
        "Build the query with `URLSearchParams`.",
    ),
    reason(
        "HTTP2_NEEDED",
        &[error_as(Code::Unimplemented, 505)],
        "gRPC was called over HTTP/1.1.",
        "505.",
        "Use HTTP/2, or gRPC-Web or Connect.",
    ),
    reason(
        "BIDI_STREAMING",
        UNIMPLEMENTED,
        "The method streams both ways, which REST cannot carry.",
        "501.",
        "Call it by gRPC, or by Connect over HTTP/2.",
    ),
    reason(
        "NOT_ACCEPTABLE",
        &[error_as(Code::InvalidArgument, 406)],
        "There is no answer in any form that `Accept` or `Accept-Encoding` allows.",
        "406 that names the forms there are. Nothing was called.",
        "Accept one of them.",
    ),
    reason(
        "CONTENT_TYPE_UNSUPPORTED",
        UNSUPPORTED_MEDIA,
        "The body is of a type that this method does not take.",
        "415 with what is accepted.",
        "Send JSON with `Content-Type: application/json`, or a type that the answer names.",
    ),
    reason(
        "CONTENT_ENCODING_UNSUPPORTED",
        UNSUPPORTED_MEDIA,
        "The body is compressed in a way that is not read here.",
        "415.",
        "Send it plain or with gzip.",
    ),
    reason(
        "COMPRESSION_UNSUPPORTED",
        UNIMPLEMENTED,
        "Messages of a Connect, gRPC-Web or gRPC call are compressed in a way that is not read here.",
        "The code `unimplemented`.",
        "Use gzip or none.",
    ),
    reason(
        "CODEC_UNSUPPORTED",
        UNIMPLEMENTED,
        "A service that the schema does not have was called with JSON.",
        "The code `unimplemented`.",
        "Call it with protobuf.",
    ),
    reason(
        "GZIP_INVALID",
        INVALID,
        "The body or a message says that it is gzip, and is not.",
        "400.",
        "Compress the whole of it once.",
    ),
    reason(
        "BASE64_INVALID",
        INVALID,
        "The body of a gRPC-Web call in text is not base64.",
        "The code `invalid_argument`.",
        "Send each flush padded, or use the binary form.",
    ),
    reason(
        "ENVELOPE_INVALID",
        INVALID,
        "A message of a Connect stream has flags that mean nothing.",
        "The code `invalid_argument`.",
        "Use a Connect client.",
    ),
    reason(
        "BODY_INVALID",
        INVALID,
        "The body is no message of the method's type.",
        "400.",
        "Encode it with the present descriptors.",
    ),
    reason(
        "BODY_UNEXPECTED",
        INVALID,
        "The route takes no body.",
        "400.",
        "Send the fields in path and query.",
    ),
    reason(
        "BODY_CUT",
        INVALID,
        "The body ended before it was complete.",
        "400, when the connection is still there to be told. The call was cancelled.",
        "Send it again, whole.",
    )
    .again(),
    reason(
        "BODY_TIMEOUT",
        &[error_as(Code::DeadlineExceeded, 408)],
        "The body took longer to arrive than `limits.body_timeout`.",
        "408.",
        "Send it again, faster or in smaller parts.",
    )
    .again(),
    reason(
        "BODY_TOO_LARGE",
        &[error_as(Code::ResourceExhausted, 413)],
        "The body, or one message of it, is larger than the limits of the edge, after decompression.",
        "413, and the connection is closed.",
        "Send less at once, or raise `limits.body_bytes` or `limits.upload_bytes`.",
    ),
    reason(
        "JSON_INVALID",
        INVALID,
        "The body is not valid JSON.",
        "400 with line and column.",
        "Mend the JSON; `JSON.stringify` makes none that is bad.",
    ),
    reason(
        "PROTOBUF_INVALID",
        INVALID,
        "A body in protobuf sets a field that the path binds, to another value.",
        "400 that names the field.",
        "Leave the field out of the body.",
    ),
    reason(
        "FIELD_INVALID",
        INVALID,
        "A field, parameter or header has a value that cannot be, or does not exist.",
        "400 with each of them in `errors`.",
        "Mend what `errors` names.",
    ),
    reason(
        "PARAMETER_MISSING",
        INVALID,
        "A call by Connect GET lacks a query parameter of that protocol.",
        "400 that names it.",
        "Use a Connect client.",
    ),
    reason(
        "CURSOR_INVALID",
        INVALID,
        "The value that is to be resumed from is no cursor of this stream.",
        "400. In `Last-Event-ID` it is a gap with `cursor_mismatch` instead.",
        "Send a cursor that this stream gave, unchanged.",
    ),
];
