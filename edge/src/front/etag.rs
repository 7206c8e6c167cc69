//! Weak validators of GET answers (RFC 9110, section 8.8.3): equal bytes need not be sent twice.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue, header};
use sha2::{Digest, Sha256};

/// The weak ETag of an answer. Answers are deterministic, so that equal states have equal tags.
pub fn etag(body: &[u8]) -> Option<HeaderValue> {
    let tag = URL_SAFE_NO_PAD.encode(&Sha256::digest(body)[..12]);
    HeaderValue::from_str(&format!("W/\"{tag}\"")).ok()
}

/// Whether `If-None-Match` names this tag; weak comparison (RFC 9110, section 13.1.2).
pub fn is_known(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    let opaque = |text: &str| text.trim().trim_start_matches("W/").to_owned();
    let Ok(etag) = etag.to_str() else { return false };
    let lines = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|tag| tag.trim() == "*" || opaque(tag) == opaque(etag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compares_weakly() {
        let tag = etag(b"{}").unwrap();
        let text = tag.to_str().unwrap().to_owned();
        let strong = text.trim_start_matches("W/").to_owned();
        for (known, expected) in [
            (text.clone(), true),
            (strong, true),
            ("*".into(), true),
            (format!("\"x\", {text}"), true),
            ("\"x\"".into(), false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, known.parse().unwrap());
            assert_eq!(is_known(&headers, &tag), expected, "{known}");
        }
        assert_ne!(etag(b"{}"), etag(b"{ }"));
    }
}
