//! The edge's own paths, which no binding can take.

use std::sync::LazyLock;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header};
use serde_json::{Value, json};

use crate::config::PathsConfig;
use crate::error::{Code, Error};
use crate::reasons;

use super::client::client;
use super::head::Tags;
use super::openapi::openapi;
use super::ops;
use super::session::{leg, migrate, post as frames, ws};
use super::state::Shared;
use super::tickets;

const RESERVED: [&str; 6] = ["/ws", "/stream", "/hmr", "/tickets", "/openapi.json", "/.well-known"];

/// Whether a path, or the template of one, lies on the edge's own paths.
pub fn is_reserved(paths: &PathsConfig, template: &str) -> bool {
    let Some(path) = template.strip_prefix(paths.prefix.as_str()) else { return false };
    let mut rests = RESERVED.iter().filter_map(|own| path.strip_prefix(own));
    rests.any(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The path of a method without the prefix of the edge's own paths.
pub fn method_path<'a>(paths: &PathsConfig, path: &'a str) -> Option<&'a str> {
    path.strip_prefix(&paths.prefix).filter(|path| path.starts_with('/'))
}

const PROBE: &str = "/.well-known/lastmile/probe";

/// Whether a client looks if its requests get here at all.
pub fn is_probe<B>(paths: &PathsConfig, request: &Request<B>) -> bool {
    let path = request.uri().path().strip_suffix(PROBE);
    path == Some(&paths.prefix) && matches!(*request.method(), Method::GET | Method::HEAD)
}

/// Answers 204 to anyone, whatever the origin: a client asks it before it blames the transport.
pub fn probe() -> Response {
    (StatusCode::NO_CONTENT, [(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")]).into_response()
}

/// Info, reasons, descriptors, metrics, keys, tickets and the OpenAPI document.
pub fn routes(front: &Shared) -> Router<Shared> {
    let prefix = &front.config.paths.prefix;
    let own = |path: &str| format!("{prefix}/.well-known/{path}");
    Router::new()
        .route(&own("lastmile/info"), get(info))
        .route(&format!("{prefix}{}", reasons::PATH), get(reasons_table))
        .route(&own("lastmile/descriptors"), get(descriptors))
        .route(&own("lastmile/client.tgz"), get(client))
        .route(&own("lastmile/metrics"), get(numbers))
        .route(&own("lastmile/probe"), get(async || probe()))
        .route(&own("jwks.json"), get(jwks))
        .route(&format!("{prefix}/openapi.json"), get(openapi))
        .route(&format!("{prefix}/tickets"), post(tickets::give).fallback(async || wrong_method("POST")))
        .route(&format!("{prefix}/ws"), get(ws::serve).connect(ws::serve))
        .route(&format!("{prefix}/stream"), get(leg::serve))
        .route(
            &format!("{prefix}/stream/{{session}}"),
            post(frames::serve).fallback(async || wrong_method("POST")),
        )
        .route(&format!("{prefix}/hmr/migrate"), post(migrate::serve).fallback(async || wrong_method("POST")))
        .method_not_allowed_fallback(async || wrong_method("GET, HEAD"))
        .fallback(async |uri: Uri| not_found(uri.path()))
}

/// Nothing is there.
pub fn not_found(path: &str) -> Error {
    Error::new(Code::NotFound, "ROUTE_NOT_FOUND", format!("No method is bound to `{path}`."))
}

fn wrong_method(allowed: &'static str) -> Error {
    Error::new(Code::Unimplemented, "METHOD_NOT_ALLOWED", format!("This path answers {allowed}."))
        .status(StatusCode::METHOD_NOT_ALLOWED)
        .header(header::ALLOW, HeaderValue::from_static(allowed))
}

/// What the console needs to know.
async fn info(State(front): State<Shared>) -> Json<Value> {
    Json(json!({ "version": env!("CARGO_PKG_VERSION"), "dev": front.config.dev, "grpc": front.grpc }))
}

/// Every reason that an edge of this version gives, for anyone: it holds nothing of the backend.
async fn reasons_table() -> Response {
    static TABLE: LazyLock<Bytes> = LazyLock::new(|| reasons::json().to_string().into());
    let headers =
        [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "public, max-age=3600")];
    (headers, TABLE.clone()).into_response()
}

/// The encoded FileDescriptorSet, from which clients are generated.
async fn descriptors(State(front): State<Shared>, headers: HeaderMap) -> Response {
    if !front.config.dev && !front.config.paths.descriptors {
        let message = "Descriptors are served only with --dev or `paths.descriptors = true`.";
        return Error::new(Code::NotFound, "NOT_SERVED", message).into_response();
    }
    let schema = match front.loaded() {
        Ok(schema) => schema,
        Err(error) => return error.into_response(),
    };
    let known = Tags::read(&headers, &header::IF_NONE_MATCH).hold(&schema.etag);
    // Clients may keep them, and ask each time whether they still hold.
    let validators =
        [(header::ETAG, schema.etag.clone()), (header::CACHE_CONTROL, HeaderValue::from_static("no-cache"))];
    if known {
        return (StatusCode::NOT_MODIFIED, validators).into_response();
    }
    let content_type = [(header::CONTENT_TYPE, "application/protobuf")];
    (validators, content_type, schema.descriptors.clone()).into_response()
}

/// What operators read at the admin address, for pages of this origin.
async fn numbers(State(front): State<Shared>) -> Response {
    if !front.config.dev && !front.config.paths.metrics {
        let message = "Metrics are served here only with --dev or `paths.metrics = true`. The admin address always has them, \
                       at /metrics.";
        return Error::new(Code::NotFound, "NOT_SERVED", message).into_response();
    }
    ops::numbers(&front).into_response()
}

async fn jwks(State(front): State<Shared>) -> Response {
    let verifies = front.schema.load().as_ref().is_some_and(|schema| front.keys.verifies(schema));
    if !verifies {
        return Error::new(Code::NotFound, "NO_ISSUER", "This edge does not verify tokens.").into_response();
    }
    match front.keys.jwks().await {
        Ok(jwks) => {
            let headers = [
                (header::CONTENT_TYPE, HeaderValue::from_static("application/jwk-set+json")),
                (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300")),
            ];
            (headers, jwks).into_response()
        }
        Err(error) => error.into_response(),
    }
}
