//! Paging of lists.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use prost::Message;
use sha2::{Digest, Sha256};

/// Items of a page when the caller does not say.
const DEFAULT_SIZE: usize = 100;

/// Items of a page at most.
const MAX_SIZE: usize = 1_000;

/// Bytes of the items of a page: below the message limit that clients have by default.
const MAX_BYTES: usize = 1 << 20;

const TAG: usize = 4;

/// The size asked for; `None` when it is out of range.
pub(super) fn size(asked: i32) -> Option<usize> {
    match usize::try_from(asked) {
        Ok(0) => Some(DEFAULT_SIZE),
        Ok(size @ 1..=MAX_SIZE) => Some(size),
        _ => None,
    }
}

/// The items that a page has room for, at least one, and whether more follow.
pub(super) fn fit<M: Message>(items: impl Iterator<Item = M>, size: usize) -> (Vec<M>, bool) {
    let (mut page, mut bytes) = (Vec::new(), 0);
    for item in items {
        bytes += item.encoded_len();
        if page.len() == size || (bytes > MAX_BYTES && !page.is_empty()) {
            return (page, true);
        }
        page.push(item);
    }
    (page, false)
}

/// The token of the page that begins after `key`, bound to the list and its filter.
pub(super) fn token(list: &str, filter: &str, key: &str) -> String {
    let mut bytes = tag(list, filter).to_vec();
    bytes.extend_from_slice(key.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The key of a token; `None` when the token is of another list or filter, or is none.
pub(super) fn key(list: &str, filter: &str, token: &str) -> Option<String> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let key = bytes.strip_prefix(&tag(list, filter))?;
    String::from_utf8(key.to_vec()).ok()
}

fn tag(list: &str, filter: &str) -> [u8; TAG] {
    let digest: [u8; 32] =
        Sha256::new().chain_update(list).chain_update([0]).chain_update(filter).finalize().into();
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
    fn tokens_belong_to_their_list_and_filter() {
        let token = token("users", "role=admin", "17");
        assert_eq!(key("users", "role=admin", &token).as_deref(), Some("17"));
        assert_eq!(key("users", "", &token), None);
        assert_eq!(key("topics", "role=admin", &token), None);
        assert_eq!(key("users", "role=admin", "rubbish"), None);
    }

    #[test]
    fn pages_end_at_their_size_and_at_their_bytes() {
        let items = |count: usize, bytes: usize| (0..count).map(move |_| "x".repeat(bytes));
        for (count, bytes, size, expected) in [
            (0, 1, 5, (0, false)),
            (5, 1, 5, (5, false)),
            (6, 1, 5, (5, true)),
            (20, 100_000, 50, (10, true)),
            (2, 2 * MAX_BYTES, 50, (1, true)),
            (1, 2 * MAX_BYTES, 50, (1, false)),
        ] {
            let (page, more) = fit(items(count, bytes), size);
            assert_eq!((page.len(), more), expected, "{count} of {bytes}, {size} wanted");
        }
    }
}
