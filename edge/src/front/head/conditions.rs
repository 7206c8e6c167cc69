//! Fields of a request that its headers fill: the etag of `If-Match`, the key of `Idempotency-Key`.

use http::request::Parts;
use http::{HeaderMap, StatusCode, header};

use crate::error::{Code, Error, Result};
use crate::schema::{FieldPath, HeaderFields};

use super::etag::{Tags, resource_etag};

/// The fields and their values; they are for a request that does not set them itself.
///
/// # Errors
/// INVALID_ARGUMENT when a header names several values where there is one field.
pub fn from_headers<'a>(fields: &'a HeaderFields, head: &Parts) -> Result<Vec<(&'a FieldPath, String)>> {
    let mut filled = Vec::new();
    if head.method.is_safe() {
        return Ok(filled);
    }
    if let Some(path) = &fields.if_match
        && let Some(etag) = if_match(&head.headers)?
    {
        filled.push((path, etag));
    }
    if let Some(path) = &fields.idempotency_key
        && let Some(key) = idempotency_key(&head.headers)?
    {
        filled.push((path, key));
    }
    Ok(filled)
}

/// 412 for the refusal of an etag that came by `If-Match`: AIP-154 has backends say ABORTED, with a reason or without.
pub fn explain(fields: &HeaderFields, head: &Parts, error: Error) -> Error {
    let is_bound = fields.if_match.is_some() && matches!(if_match(&head.headers), Ok(Some(_)));
    let names_etag = error.reason_text().contains("ETAG");
    match error.code() {
        Code::Aborted if names_etag || error.reason_text() == Code::Aborted.name() => {}
        Code::FailedPrecondition if names_etag => {}
        _ => return error,
    }
    if is_bound && !head.method.is_safe() { error.status(StatusCode::PRECONDITION_FAILED) } else { error }
}

/// The etag that the resource must still have; `*` asks for any, which needs no field.
fn if_match(headers: &HeaderMap) -> Result<Option<String>> {
    let Tags::These(tags) = Tags::read(headers, &header::IF_MATCH) else { return Ok(None) };
    match &tags[..] {
        [] => Ok(None),
        [tag] => Ok(Some(resource_etag(tag))),
        _ => Err(Error::field("if-match", "names several etags; send the one that you have read")),
    }
}

/// A quoted string (draft-ietf-httpapi-idempotency-key-header) or, as most send it, the bare key.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>> {
    let mut keys = headers.get_all("idempotency-key").iter();
    let (key, None) = (keys.next(), keys.next()) else {
        return Err(Error::field("idempotency-key", "is given twice; send one key"));
    };
    let Some(key) = key else { return Ok(None) };
    let key = key.to_str().map_err(|_| Error::field("idempotency-key", "must be ASCII text"))?.trim();
    let bare = key.strip_prefix('"').and_then(|key| key.strip_suffix('"'));
    Ok(Some(bare.unwrap_or(key).to_owned()).filter(|key| !key.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn one_etag_is_bound() {
        for (values, expected) in [
            (&[][..], Ok(None)),
            (&["*"], Ok(None)),
            (&["\"v3\""], Ok(Some("v3"))),
            (&["W/\"v3\""], Ok(Some("v3"))),
            (&["v3"], Ok(Some("v3"))),
            (&["W/\"%22v3%22;lm=0123456789abcdef\""], Ok(Some("\"v3\""))),
            (&["\"a\", \"b\""], Err("if-match")),
            (&["\"a\"", "\"b\""], Err("if-match")),
        ] {
            let bound = if_match(&headers("if-match", values));
            let bound = bound.as_ref().map(Option::as_deref).map_err(|error| &*error.violations()[0].field);
            assert_eq!(bound, expected, "{values:?}");
        }
    }

    #[test]
    fn one_key_is_bound() {
        for (values, expected) in [
            (&[][..], Ok(None)),
            (&["k1"], Ok(Some("k1"))),
            (&["\"k 1\""], Ok(Some("k 1"))),
            (&["\"\""], Ok(None)),
            (&["a", "b"], Err(())),
        ] {
            let bound = idempotency_key(&headers("idempotency-key", values)).map_err(drop);
            assert_eq!(
                bound.as_ref().map(Option::as_deref),
                expected.as_ref().map(|key| *key).map_err(|()| &()),
                "{values:?}"
            );
        }
    }
}
