//! Which origins may call (Fetch Standard, "CORS protocol"): the edge's own, those listed, and no other.

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};

use crate::config::rest::Compat;
use crate::error::{Code, Error};
use crate::upstream::metadata::gateway_name;

use super::vary::vary;

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
/// What the faces read; the second line is of gRPC-Web and Connect.
const ALLOWED: &str = "authorization, content-type, traceparent, tracestate, last-event-id, x-vite-hmr-id, if-match, \
     if-none-match, idempotency-key, prefer, \
     grpc-timeout, grpc-encoding, grpc-accept-encoding, x-grpc-web, x-user-agent, connect-protocol-version, \
     connect-timeout-ms, connect-content-encoding, connect-accept-encoding, content-encoding, x-server-timeout";
const EXPOSED: &str = "retry-after, etag, link, www-authenticate, x-request-id, traceresponse, grpc-status, \
     grpc-message, grpc-status-details-bin, grpc-encoding, content-encoding, connect-content-encoding";

/// The origins that may call.
#[derive(Debug, Clone)]
pub struct Origins {
    pub listed: Vec<String>,
    /// Loopback origins on any port, for development servers.
    pub loopback: bool,
    /// What they may send and read besides the headers of the faces.
    pub metadata: Metadata,
}

/// The headers that pass as metadata, as CORS lists them.
#[derive(Debug, Clone)]
pub struct Metadata {
    allowed: HeaderValue,
    exposed: HeaderValue,
}

impl Metadata {
    /// Trailers come under names of their own where a face has none (Connect protocol, "Unary-Response").
    pub fn new(request: &[HeaderName], response: &[HeaderName], compat: Compat) -> Self {
        let list = |fixed: &str, more: Vec<String>| {
            let names: Vec<&str> = std::iter::once(fixed).chain(more.iter().map(String::as_str)).collect();
            HeaderValue::try_from(names.join(", ")).unwrap_or(HeaderValue::from_static(""))
        };
        let old = |name: &HeaderName| (compat == Compat::GrpcGateway).then(|| gateway_name(name));
        let sent = |name: &HeaderName| [Some(name.to_string()), old(name)];
        let shown = |name: &HeaderName| [Some(name.to_string()), Some(format!("trailer-{name}")), old(name)];
        Self {
            allowed: list(ALLOWED, request.iter().flat_map(sent).flatten().collect()),
            exposed: list(EXPOSED, response.iter().flat_map(shown).flatten().collect()),
        }
    }
}

/// What an `Origin` header means for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// No browser, or a page of the edge itself.
    Own,
    /// Another origin that may call.
    Allowed,
    Refused,
}

impl Origins {
    fn standing(&self, headers: &HeaderMap, uri: &Uri) -> Standing {
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let (Some(origin), None) = (origins.next(), origins.next()) else {
            return if headers.contains_key(header::ORIGIN) { Standing::Refused } else { Standing::Own };
        };
        let Ok(origin) = origin.to_str() else { return Standing::Refused };
        if is_own(origin, headers, uri) {
            Standing::Own
        } else if self.listed.iter().any(|listed| listed == origin) || self.loopback && is_loopback(origin) {
            Standing::Allowed
        } else {
            Standing::Refused
        }
    }
}

/// Names the page that a request comes from: by its origin, or, for one of the edge itself, by the host it was asked of.
/// Browsers name the origin of their own page only where something may change, and not when they open a stream.
pub fn page(headers: &HeaderMap, uri: &Uri) -> String {
    let origin = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
    match origin.filter(|origin| !is_own(origin, headers, uri)) {
        Some(origin) => origin.to_owned(),
        None => host(headers, uri).unwrap_or_default().to_owned(),
    }
}

fn is_own(origin: &str, headers: &HeaderMap, uri: &Uri) -> bool {
    let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    authority.is_some() && authority == host(headers, uri)
}

fn host<'a>(headers: &'a HeaderMap, uri: &'a Uri) -> Option<&'a str> {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    host.or(uri.authority().map(|authority| authority.as_str()))
}

/// Answers preflights, refuses foreign origins and marks the answers to allowed ones.
pub async fn cors<'a, F>(
    origins: &Origins,
    request: &'a mut Request,
    next: impl FnOnce(&'a mut Request) -> F,
) -> Response
where
    F: Future<Output = Response>,
{
    let origin = request.headers().get(header::ORIGIN).cloned();
    let standing = origins.standing(request.headers(), request.uri());
    let is_preflight = *request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = match standing {
        Standing::Refused => {
            let message = "This origin may not call here. Add it to `cors.origins` of the edge.";
            Error::new(Code::PermissionDenied, "ORIGIN_REFUSED", message).into_response()
        }
        Standing::Own | Standing::Allowed if is_preflight => {
            let mut response = StatusCode::NO_CONTENT.into_response();
            let headers = response.headers_mut();
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, origins.metadata.allowed.clone());
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
            response
        }
        Standing::Own | Standing::Allowed => next(request).await,
    };
    let headers = response.headers_mut();
    vary(headers, "Origin");
    if let (Standing::Allowed, Some(origin)) = (standing, origin) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, origins.metadata.exposed.clone());
    }
    response
}

fn is_loopback(origin: &str) -> bool {
    let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    let port = authority.and_then(|authority| {
        ["localhost", "127.0.0.1", "[::1]"].iter().find_map(|host| authority.strip_prefix(host))
    });
    // Nothing at all, or a port and nothing else.
    port.is_some_and(|port| {
        port.is_empty() || port.strip_prefix(':').is_some_and(|digits| digits.parse::<u16>().is_ok())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn look_alikes_are_refused() {
        let origins = Origins {
            listed: vec!["https://app.example.com".into()],
            loopback: true,
            metadata: Metadata::new(&[], &[], Compat::None),
        };
        for (origin, expected) in [
            ("http://edge.test:8080", Standing::Own),
            ("https://app.example.com", Standing::Allowed),
            ("http://localhost:5173", Standing::Allowed),
            ("http://127.0.0.1:1", Standing::Allowed),
            ("null", Standing::Refused),
            ("https://app.example.com.evil.test", Standing::Refused),
            ("https://evil-app.example.com", Standing::Refused),
            ("http://app.example.com", Standing::Refused),
            ("https://app.example.com/", Standing::Refused),
            ("https://APP.example.com", Standing::Refused),
            ("http://localhost.evil.test", Standing::Refused),
            ("http://localhost@evil.test", Standing::Refused),
            ("http://127.0.0.1:8080.evil.test", Standing::Refused),
            ("http://localhost:", Standing::Refused),
            ("http://edge.test:8081", Standing::Refused),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("host", "edge.test:8080".parse().unwrap());
            headers.insert("origin", origin.parse().unwrap());
            assert_eq!(origins.standing(&headers, &Uri::from_static("/")), expected, "{origin}");
        }
    }

    #[test]
    fn metadata_that_passes_may_be_sent_and_read() {
        let lists = (["x-tenant".parse().unwrap()], ["x-cost".parse().unwrap()]);
        let [metadata, compat] =
            [Compat::None, Compat::GrpcGateway].map(|compat| Metadata::new(&lists.0, &lists.1, compat));
        let listed =
            |value: &HeaderValue, name: &str| value.to_str().unwrap().split(", ").any(|one| one == name);
        assert!(listed(&compat.allowed, "grpc-metadata-x-tenant") && listed(&compat.allowed, "x-tenant"));
        assert!(listed(&compat.exposed, "grpc-metadata-x-cost") && listed(&compat.exposed, "x-cost"));
        assert!(!listed(&metadata.allowed, "grpc-metadata-x-tenant"));
        assert!(!listed(&metadata.exposed, "grpc-metadata-x-cost"));
        for name in ["x-tenant", "authorization", "connect-protocol-version", "grpc-timeout"] {
            assert!(listed(&metadata.allowed, name), "{name}");
        }
        for name in ["x-cost", "trailer-x-cost", "grpc-status", "retry-after"] {
            assert!(listed(&metadata.exposed, name), "{name}");
        }
    }

    #[test]
    fn loopback_is_for_development() {
        let origins =
            Origins { listed: Vec::new(), loopback: false, metadata: Metadata::new(&[], &[], Compat::None) };
        let mut headers = HeaderMap::new();
        headers.insert("origin", "http://localhost:5173".parse().unwrap());
        assert_eq!(origins.standing(&headers, &Uri::from_static("/")), Standing::Refused);
    }
}
