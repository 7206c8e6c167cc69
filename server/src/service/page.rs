//! Paging of lists.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// Items of a page when the caller does not say.
const DEFAULT_SIZE: usize = 100;

/// Items of a page at most.
const MAX_SIZE: usize = 1_000;

const TAG: usize = 4;

/// The size asked for; `None` when it is out of range.
pub(super) fn size(asked: i32) -> Option<usize> {
    match usize::try_from(asked) {
        Ok(0) => Some(DEFAULT_SIZE),
        Ok(size @ 1..=MAX_SIZE) => Some(size),
        _ => None,
    }
}

/// The token of the page that begins after `key`, bound to the list's filter.
pub(super) fn token(filter: &str, key: &str) -> String {
    let mut bytes = tag(filter).to_vec();
    bytes.extend_from_slice(key.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The key of a token; `None` when the token is of another filter or of no list.
pub(super) fn key(filter: &str, token: &str) -> Option<String> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let key = bytes.strip_prefix(&tag(filter))?;
    String::from_utf8(key.to_vec()).ok()
}

fn tag(filter: &str) -> [u8; TAG] {
    let digest: [u8; 32] = Sha256::digest(filter.as_bytes()).into();
    [digest[0], digest[1], digest[2], digest[3]]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_a_default_and_a_limit() {
        for (asked, size_given) in
            [(0, Some(100)), (1, Some(1)), (1000, Some(1000)), (1001, None), (-1, None)]
        {
            assert_eq!(size(asked), size_given, "{asked}");
        }
    }

    #[test]
    fn tokens_belong_to_their_filter() {
        let token = token("role=admin", "17");
        assert_eq!(key("role=admin", &token).as_deref(), Some("17"));
        assert_eq!(key("", &token), None);
        assert_eq!(key("role=admin", "rubbish"), None);
    }
}
