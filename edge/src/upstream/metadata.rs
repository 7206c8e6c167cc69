//! Which headers pass between browser and backend: an allow-list, both ways.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::error::{Error, Result};

const GATEWAY_PREFIX: &str = "grpc-metadata-";

/// The headers of a request that are on the list; reserved ones never pass, whatever the list says.
///
/// # Errors
/// INVALID_ARGUMENT when a `-bin` header is not base64.
pub fn pass(headers: &HeaderMap, allowed: &[HeaderName]) -> Result<HeaderMap> {
    checked(listed(headers, allowed))
}

/// The same of headers with the prefix that grpc-gateway's clients send metadata under, which is taken off.
///
/// # Errors
/// As [`pass`].
pub fn from_gateway(headers: &HeaderMap, allowed: &[HeaderName]) -> Result<HeaderMap> {
    let bare = headers.iter().filter_map(|(name, value)| {
        let name = name.as_str().strip_prefix(GATEWAY_PREFIX)?;
        let name = allowed.iter().find(|allowed| *allowed == name)?;
        Some((name, value))
    });
    checked(bare.filter(|(name, _)| !is_reserved(name)))
}

/// The metadata of an answer that is on the list. The call was made: a bad header must not make it a failure, and is
/// left out.
pub fn show(metadata: &HeaderMap, allowed: &[HeaderName]) -> HeaderMap {
    let shown = listed(metadata, allowed).filter(|(name, value)| {
        let is_good = !is_bad(name, value);
        if !is_good {
            tracing::warn!(%name, "metadata of an answer is not base64 and is left out");
        }
        is_good
    });
    shown.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// The same as grpc-gateway shows it: with its prefix.
pub fn show_to_gateway(metadata: &HeaderMap, allowed: &[HeaderName]) -> HeaderMap {
    let mut prefixed = HeaderMap::new();
    for (name, value) in &show(metadata, allowed) {
        if let Ok(name) = gateway_name(name).parse::<HeaderName>() {
            prefixed.append(name, value.clone());
        }
    }
    prefixed
}

/// What grpc-gateway calls this metadata in HTTP.
pub fn gateway_name(name: &HeaderName) -> String {
    format!("{GATEWAY_PREFIX}{name}")
}

fn listed<'a>(
    headers: &'a HeaderMap,
    allowed: &'a [HeaderName],
) -> impl Iterator<Item = (&'a HeaderName, &'a HeaderValue)> {
    let names = allowed.iter().filter(|name| !is_reserved(name));
    names.flat_map(|name| headers.get_all(name).iter().map(move |value| (name, value)))
}

fn checked<'a>(headers: impl Iterator<Item = (&'a HeaderName, &'a HeaderValue)>) -> Result<HeaderMap> {
    let mut passed = HeaderMap::new();
    for (name, value) in headers {
        if is_bad(name, value) {
            return Err(Error::field(name.as_str(), "must be base64"));
        }
        passed.append(name, value.clone());
    }
    Ok(passed)
}

fn is_bad(name: &HeaderName, value: &HeaderValue) -> bool {
    let is_base64 = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=,-_ ".contains(&b));
    name.as_str().ends_with("-bin") && !value.to_str().is_ok_and(is_base64)
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
    fn the_prefix_of_grpc_gateway_carries_the_list_and_nothing_that_is_reserved() {
        let names = |headers: &HeaderMap| headers.keys().map(ToString::to_string).collect::<Vec<_>>();
        let headers = |names: &[&str]| -> HeaderMap {
            names.iter().map(|name| (name.parse().unwrap(), HeaderValue::from_static("v"))).collect()
        };
        let list = ["x-tenant", "authorization", "grpc-timeout", "set-cookie"].map(|n| n.parse().unwrap());
        let request = headers(&[
            "x-tenant",
            "grpc-metadata-x-tenant",
            "grpc-metadata-x-other",
            "grpc-metadata-authorization",
            "grpc-metadata-grpc-timeout",
        ]);
        assert_eq!(names(&from_gateway(&request, &list).unwrap()), ["x-tenant"]);
        let metadata = headers(&["x-tenant", "x-other", "set-cookie", "grpc-status"]);
        assert_eq!(names(&show_to_gateway(&metadata, &list)), ["grpc-metadata-x-tenant"]);
    }

    #[test]
    fn binary_headers_must_be_base64() {
        let list = ["x-key-bin", "x-cost"].map(|n| n.parse().unwrap());
        let mut headers = HeaderMap::new();
        for (name, value) in [("x-key-bin", "AQID"), ("x-key-bin", "%%%"), ("x-cost", "%")] {
            headers.append(name, value.parse().unwrap());
        }
        assert!(pass(&headers, &list).is_err());
        let shown = show(&headers, &list);
        assert_eq!(shown.get_all("x-key-bin").iter().collect::<Vec<_>>(), ["AQID"]);
        assert_eq!(shown["x-cost"], "%");
        headers.insert("grpc-metadata-x-key-bin", "%%%".parse().unwrap());
        assert!(from_gateway(&headers, &list).is_err());
        assert_eq!(show_to_gateway(&headers, &list)["grpc-metadata-x-key-bin"], "AQID");
    }
}
