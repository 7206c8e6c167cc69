//! The cookies that a method's AuthRule reads and writes.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use prost::encoding::{WireType, encode_key, encode_varint};

use crate::layer::Cookies;
use crate::schema::{FieldPath, Method};
use crate::transcode::pick;

use super::state::Front;

/// How long cookies are kept, in seconds. Longer than the token in them lives: an expired one must still be sent, or a
/// stream could not be told that it has expired.
const MONTH: u64 = 30 * 24 * 3600;

/// The encoded request, with cookies in the empty fields that they stand in for.
pub fn fill(front: &Front, method: &Method, headers: &HeaderMap, message: Bytes) -> Bytes {
    let cookies = Cookies { secure: front.config.auth.secure_cookies };
    let added = method.auth.from_cookie.iter().filter_map(|(name, path)| {
        let value = cookies.get(headers, name).ok()??;
        pick::text(path, &message).is_ok_and(str::is_empty).then(|| encode(path, &value))
    });
    // Encodings that follow each other are merged.
    match added.flatten().collect::<Vec<u8>>() {
        added if added.is_empty() => message,
        added => [message.as_ref(), &added].concat().into(),
    }
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
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

/// A message in which only this text field is set.
fn encode(path: &FieldPath, value: &str) -> Vec<u8> {
    path.steps().iter().rev().fold(value.as_bytes().to_vec(), |inner, step| {
        let mut field = Vec::with_capacity(inner.len() + 8);
        encode_key(step.number, WireType::LengthDelimited, &mut field);
        encode_varint(inner.len() as u64, &mut field);
        field.extend(inner);
        field
    })
}
