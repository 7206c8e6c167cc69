//! Compresses whole answers with the coding that the caller likes best (RFC 9110, section 12.5.3).

use std::convert::Infallible;
use std::future::ready;

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::{Extensions, HeaderMap, HeaderValue, StatusCode, Version, header};
use http_body::Body as _;
use tower::{ServiceExt, service_fn};
use tower_http::CompressionLevel;
use tower_http::compression::Compression;

use crate::error::{Code, Error};

use super::vary::vary;
use super::weights::{Weighted, weighted};

/// Below it, an answer fits into a packet or two anyway.
const WORTH_IT: u64 = 1024;

/// Fast: answers are written once and read once.
const LEVEL: CompressionLevel = CompressionLevel::Precise(4);

/// The codings that the edge writes, the best first; `identity` is none.
const CODINGS: [&str; 4] = ["zstd", "br", "gzip", "identity"];

/// Decides about the coding before the call: a refusal afterwards would come too late for what the call has changed.
pub async fn compression<'a, F>(request: &'a mut Request, next: impl FnOnce(&'a mut Request) -> F) -> Response
where
    F: Future<Output = Response>,
{
    let Some(coding) = choose(&weighted(request.headers(), &header::ACCEPT_ENCODING)) else {
        let message = "`Accept-Encoding` refuses every coding. Accept zstd, br, gzip or identity.";
        let error = Error::new(Code::InvalidArgument, "NOT_ACCEPTABLE", message);
        return error.status(StatusCode::NOT_ACCEPTABLE).into_response();
    };
    let mut response = next(request).await;
    if !is_suitable(&response, coding.is_forced) {
        return response;
    }
    vary(response.headers_mut(), "Accept-Encoding");
    if coding.name == "identity" { response } else { compressed(response, coding.name).await }
}

/// Only what is compressed is wrapped: the body of a stream would carry room for an encoder as long as it lives.
async fn compressed(response: Response, coding: &'static str) -> Response {
    let mut response = Some(response);
    let answer = service_fn(move |_| ready(Ok::<_, Infallible>(response.take().unwrap_or_default())));
    let always = |_: StatusCode, _: Version, _: &HeaderMap, _: &Extensions| true;
    let mut request = http::Request::new(());
    request.headers_mut().insert(header::ACCEPT_ENCODING, HeaderValue::from_static(coding));
    match Compression::new(answer).quality(LEVEL).compress_when(always).oneshot(request).await {
        Ok(response) => response.map(Body::new),
        Err(never) => match never {},
    }
}

/// What an answer is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Coding {
    name: &'static str,
    /// The caller refuses answers without a coding.
    is_forced: bool,
}

/// The best coding by weight, then by our order. What is not listed is as `*` says; `identity` then is the last resort.
fn choose(accepted: &[Weighted<'_>]) -> Option<Coding> {
    let listed = |name: &str| accepted.iter().find(|member| member.is(name)).map(|member| member.weight);
    let weight = |name: &str| listed(name).or_else(|| listed("*"));
    let ranked = CODINGS.into_iter().filter_map(|name| {
        let last_resort = if name == "identity" { Some(1) } else { None };
        Some((weight(name).or(last_resort).filter(|weight| *weight > 0)?, name))
    });
    // Of equals, `max_by_key` gives the last.
    let (_, name) = ranked.rev().max_by_key(|(weight, _)| *weight)?;
    Some(Coding { name, is_forced: weight("identity") == Some(0) })
}

/// Whether it is a whole answer of a kind that shrinks.
fn is_suitable(response: &Response, even_if_small: bool) -> bool {
    // What has no length yet is a stream, which no coding may hold back.
    let Some(length) = response.body().size_hint().exact() else { return false };
    let headers = response.headers();
    (length >= WORTH_IT || even_if_small && length > 0)
        // What is rewritten further out.
        && response.extensions().get::<Error>().is_none()
        && !headers.contains_key(header::CONTENT_ENCODING)
        && is_transformable(headers)
        && shrinks(headers)
}

/// RFC 9111, section 5.2.2.6: streams of events say that they are not.
fn is_transformable(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::CACHE_CONTROL).iter().filter_map(|line| line.to_str().ok());
    !lines.flat_map(|line| line.split(',')).any(|directive| directive.trim() == "no-transform")
}

fn shrinks(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.starts_with("text/") && kind != "text/event-stream"
        || kind.ends_with("+json")
        || kind.ends_with("+xml")
        || matches!(
            kind,
            "application/json"
                | "application/javascript"
                | "application/x-protobuf"
                | "application/protobuf"
                | "application/manifest"
                | "application/wasm"
                | "application/yaml"
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_coding_is_the_one_liked_best() {
        for (text, expected) in [
            ("", Some("identity")),
            ("gzip, deflate, br, zstd", Some("zstd")),
            ("gzip, deflate, br", Some("br")),
            ("gzip", Some("gzip")),
            ("gzip;q=0.8, br;q=0.7", Some("gzip")),
            ("gzip;q=0.5, identity", Some("identity")),
            ("deflate", Some("identity")),
            ("gzip;q=0", Some("identity")),
            ("*", Some("zstd")),
            ("*;q=0.5, gzip", Some("gzip")),
            ("*, zstd;q=0, br;q=0", Some("gzip")),
            ("br;q=2", Some("identity")),
            ("*;q=0", None),
            ("identity;q=0", None),
            ("identity;q=0, deflate", None),
            ("*;q=0, identity", Some("identity")),
            ("identity;q=0, gzip;q=0.1", Some("gzip forced")),
            ("*;q=0, br", Some("br forced")),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, text.parse().unwrap());
            let chosen = choose(&weighted(&headers, &header::ACCEPT_ENCODING));
            let chosen =
                chosen.map(|c| if c.is_forced { format!("{} forced", c.name) } else { c.name.into() });
            assert_eq!(chosen.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn streams_and_what_is_small_already_are_left_alone() {
        let check = |kind: &str, cache: &str, length: usize, expected: bool| {
            let response =
                http::Response::builder().header("content-type", kind).header("cache-control", cache);
            let response = response.body(Body::from("x".repeat(length))).unwrap();
            assert_eq!(is_suitable(&response, false), expected, "{kind} {cache} {length}");
        };
        check("application/json; charset=utf-8", "private, no-cache", 1024, true);
        check("application/json; charset=utf-8", "private, no-cache", 1023, false);
        check("application/json; charset=utf-8", "no-store, no-transform", 4096, false);
        check("application/problem+json", "no-store", 4096, true);
        check("application/x-protobuf", "no-store", 4096, true);
        check("text/html", "no-cache", 4096, true);
        check("image/svg+xml", "no-cache", 4096, true);
        check("text/event-stream; charset=utf-8", "no-store", 4096, false);
        check("application/grpc-web+proto", "no-store", 4096, false);
        check("application/x-ndjson", "no-store", 4096, false);
        check("image/png", "no-cache", 4096, false);
    }
}
