//! Which headers pass between browser and backend: an allow-list, both ways.

use http::{HeaderMap, HeaderName};
use opentelemetry_http::HeaderInjector;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::error::{Error, Result};

/// Copies the headers that are on the list; reserved ones never pass, whatever the list says.
///
/// # Errors
/// INVALID_ARGUMENT when a `-bin` header is not base64.
pub fn pass(headers: &HeaderMap, allowed: &[HeaderName]) -> Result<HeaderMap> {
    let mut passed = HeaderMap::new();
    for name in allowed.iter().filter(|name| !is_reserved(name)) {
        for value in headers.get_all(name) {
            let is_base64 =
                |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=,-_ ".contains(&b));
            if name.as_str().ends_with("-bin") && !value.to_str().is_ok_and(is_base64) {
                return Err(Error::field(name.as_str(), "must be base64"));
            }
            passed.append(name, value.clone());
        }
    }
    Ok(passed)
}

/// Continues the trace of the current span.
pub fn add_trace(headers: &mut HeaderMap) {
    let context = tracing::Span::current().context();
    opentelemetry::global::get_text_map_propagator(|propagator| {
        propagator.inject_context(&context, &mut HeaderInjector(headers));
    });
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
    fn binary_headers_must_be_base64() {
        let mut headers = HeaderMap::new();
        headers.insert("x-key-bin", "%%%".parse().unwrap());
        assert!(pass(&headers, &["x-key-bin".parse().unwrap()]).is_err());
    }
}
