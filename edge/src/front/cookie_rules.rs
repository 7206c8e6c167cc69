//! The cookies that a method's AuthRule reads and writes.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};

use crate::layer::Cookies;
use crate::schema::Method;
use crate::transcode::{Target, pick};

use super::state::Front;

/// How long cookies are kept, in seconds. Longer than the token in them lives: an expired one must still be sent, or a
/// stream could not be told that it has expired.
const MONTH: u64 = 30 * 24 * 3600;

/// The encoded request, with cookies in the empty fields that they stand in for.
pub fn fill(front: &Front, method: &Method, headers: &HeaderMap, message: Bytes) -> Bytes {
    if method.auth.from_cookie.is_empty() {
        return message;
    }
    let cookies = Cookies { secure: front.config.auth.secure_cookies };
    let mut message = Vec::from(message);
    for (name, path) in &method.auth.from_cookie {
        if let Ok(Some(value)) = cookies.get(headers, name)
            && let Some(target) = Target::of(&method.plan, method.input, path)
        {
            target.fill_text(&mut message, &value);
        }
    }
    message.into()
}

/// Adds the cookies that the encoded answer sets and clears.
pub fn write(front: &Front, method: &Method, answer: &[u8], headers: &mut HeaderMap) {
    let auth = &method.auth;
    let cookies = Cookies { secure: front.config.auth.secure_cookies };
    let set = auth.set_cookie.iter().filter_map(|(name, path)| match pick::text(path, answer) {
        Ok(value) if !value.is_empty() => cookies.set(name, value, Some(MONTH)),
        _ => None,
    });
    let cleared = auth.clear_cookie.iter().filter_map(|name| cookies.clear(name));
    for cookie in set.chain(cleared) {
        headers.append(header::SET_COOKIE, cookie);
    }
    if !auth.set_cookie.is_empty() {
        // Not compressed either: the length of what holds a token would tell of it.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform"));
    }
}
