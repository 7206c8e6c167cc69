//! Fields that HTTP has headers for: etags (AIP-154) and keys of repeated requests (AIP-155).

use prost_reflect::{FieldDescriptor, Kind, MethodDescriptor};

use super::field::FieldPath;

/// Where a binding keeps what the headers of HTTP carry.
#[derive(Debug, Default)]
pub struct HeaderFields {
    /// Of the request, filled by `If-Match`.
    pub if_match: Option<FieldPath>,
    /// Of the request, filled by `Idempotency-Key`.
    pub idempotency_key: Option<FieldPath>,
    /// Of the answer, shown in `ETag`.
    pub etag: Option<FieldPath>,
}

impl HeaderFields {
    /// Finds them by the names that the AIPs prescribe; `body` is the field that the HTTP body fills.
    pub fn find(
        method: &MethodDescriptor,
        body: Option<&FieldDescriptor>,
        response_body: Option<&FieldDescriptor>,
    ) -> Self {
        let (input, output) = (method.input(), method.output());
        let text = |message, path: &str| FieldPath::resolve(message, path).ok().filter(is_text);
        let of_resource = body.and_then(|field| text(&input, &format!("{}.etag", field.name())));
        Self {
            if_match: text(&input, "etag").or(of_resource),
            idempotency_key: text(&input, "idempotency_key").or_else(|| text(&input, "request_id")),
            etag: match response_body {
                Some(field) => text(&output, &format!("{}.etag", field.name())),
                None => text(&output, "etag"),
            },
        }
    }
}

fn is_text(path: &FieldPath) -> bool {
    path.field().kind() == Kind::String && !path.field().is_list()
}
