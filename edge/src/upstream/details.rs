//! Drops error details that are not base64, before tonic sees them: it panics on them.

use base64::Engine;
use http::{HeaderMap, HeaderName};

use crate::base64_forms::METADATA;

const DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");

/// Looks at headers or trailers of an answer; the error is told without its details then.
pub(super) fn drop_unreadable(headers: &mut HeaderMap) {
    if headers.get_all(&DETAILS).iter().any(|value| METADATA.decode(value).is_err()) {
        tracing::warn!("the backend's error details are not base64 and are left out");
        headers.remove(&DETAILS);
    }
}

#[cfg(test)]
mod tests {
    use tonic::Status;

    use super::*;

    #[test]
    fn what_is_left_is_read() {
        for (value, is_kept) in [
            ("CAU", true),
            ("CAU=", true),
            ("", true),
            ("C", false),
            ("%%%", false),
            ("CA_-", false),
            ("CAV", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-status", "5".parse().unwrap());
            headers.insert(DETAILS, value.parse().unwrap());
            drop_unreadable(&mut headers);
            assert_eq!(headers.contains_key(DETAILS), is_kept, "{value}");
            assert_eq!(Status::from_header_map(&headers).map(|status| status.code() as i32), Some(5));
        }
    }
}
