//! Drops error details that are not base64, before tonic sees them: it panics on them.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::{HeaderMap, HeaderName};

const DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");

/// Padded or not, as tonic reads it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Looks at headers or trailers of an answer; the error is told without its details then.
pub(super) fn drop_unreadable(headers: &mut HeaderMap) {
    if headers.get_all(&DETAILS).iter().any(|value| BASE64.decode(value).is_err()) {
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
