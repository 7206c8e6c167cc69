//! Which headers pass between browser and backend: an allow-list, both ways.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::error::{Error, Result};

const GATEWAY_PREFIX: &str = "grpc-metadata-";

/// Copies the headers that are on the list; reserved ones never pass, whatever the list says.
///
/// # Errors
/// INVALID_ARGUMENT when a `-bin` header is not base64.
pub fn pass(headers: &HeaderMap, allowed: &[HeaderName]) -> Result<HeaderMap> {
    let mut passed = HeaderMap::new();
    for name in allowed.iter().filter(|name| !is_reserved(name)) {
        for value in headers.get_all(name) {
            check_binary(name, value)?;
            passed.append(name, value.clone());
        }
    }
    Ok(passed)
}

fn check_binary(name: &HeaderName, value: &HeaderValue) -> Result<()> {
    let is_base64 = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=,-_ ".contains(&b));
    if name.as_str().ends_with("-bin") && !value.to_str().is_ok_and(is_base64) {
        return Err(Error::field(name.as_str(), "must be base64"));
    }
    Ok(())
}

/// What grpc-gateway's clients send as metadata: headers with its prefix, which is taken off.
///
/// # Errors
/// As [`pass`].
pub fn from_gateway(headers: &HeaderMap) -> Result<HeaderMap> {
    let mut passed = HeaderMap::new();
    for (name, value) in headers {
        let bare =
            name.as_str().strip_prefix(GATEWAY_PREFIX).and_then(|name| name.parse::<HeaderName>().ok());
        if let Some(bare) = bare.filter(|name| !is_reserved(name)) {
            check_binary(&bare, value)?;
            passed.append(bare, value.clone());
        }
    }
    Ok(passed)
}

/// All metadata of an answer as grpc-gateway shows it: with its prefix.
pub fn to_gateway(metadata: &HeaderMap) -> HeaderMap {
    let mut passed = HeaderMap::new();
    for (name, value) in metadata.iter().filter(|(name, _)| !is_reserved(name)) {
        if let Ok(name) = format!("{GATEWAY_PREFIX}{name}").parse::<HeaderName>() {
            passed.append(name, value.clone());
        }
    }
    passed
}

/// gRPC's own, hop-by-hop, and those that the edge itself vouches for.
fn is_reserved(name: &HeaderName) -> bool {
    let name = name.as_str();
    name.starts_with("grpc-")
        || name.starts_with("x-forwarded-")
        || matches!(
            name,
            "authorization"
                | "connection"
                | "content-length"
                | "content-type"
                | "cookie"
                | "host"
                | "keep-alive"
                | "proxy-authorization"
                | "set-cookie"
                | "te"
                | "traceparent"
                | "tracestate"
                | "trailer"
                | "transfer-encoding"
                | "upgrade"
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_list_passes() {
        let mut headers = HeaderMap::new();
        for name in ["accept-language", "x-secret", "grpc-timeout", "cookie", "x-forwarded-user"] {
            headers.insert(name, "v".parse().unwrap());
        }
        let allowed: Vec<HeaderName> = ["accept-language", "grpc-timeout", "cookie", "x-forwarded-user"]
            .map(|n| n.parse().unwrap())
            .into();
        let passed = pass(&headers, &allowed).unwrap();
        assert_eq!(passed.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["accept-language"]);
    }

    #[test]
    fn the_prefix_of_grpc_gateway_carries_everything_but_what_is_reserved() {
        let mut headers = HeaderMap::new();
        for name in
            ["x-plain", "grpc-metadata-x-tenant", "grpc-metadata-authorization", "grpc-metadata-grpc-timeout"]
        {
            headers.insert(name, "v".parse().unwrap());
        }
        let names = |headers: &HeaderMap| headers.keys().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(names(&from_gateway(&headers).unwrap()), ["x-tenant"]);
        let mut metadata = HeaderMap::new();
        for name in ["x-shard", "set-cookie", "content-type", "grpc-status"] {
            metadata.insert(name, "v".parse().unwrap());
        }
        assert_eq!(names(&to_gateway(&metadata)), ["grpc-metadata-x-shard"]);
    }

    #[test]
    fn binary_headers_must_be_base64() {
        let mut headers = HeaderMap::new();
        headers.insert("x-key-bin", "%%%".parse().unwrap());
        assert!(pass(&headers, &["x-key-bin".parse().unwrap()]).is_err());
    }
}
