//! The console: static files where no binding matches.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, Method, header};
use rust_embed::Embed;

/// Built by `make console`; a build without it serves a sentence instead.
#[derive(Embed)]
#[folder = "../client-ts/console/dist"]
#[allow_missing = true]
struct Files;

const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'",
);

/// The file at this path, if the console has one.
pub fn console(method: &Method, path: &str) -> Option<Response> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return None;
    }
    let name = path.trim_start_matches('/');
    let name = if name.is_empty() { "index.html" } else { name };
    let Some(file) = Files::get(name) else {
        return (name == "index.html")
            .then(|| "The console is not built: run `make console`, then build again.\n".into_response());
    };
    let mime = mime_guess::from_path(name).first_or_octet_stream();
    // Names under assets/ hold a hash of what is in them.
    let cache = if name.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    let mut response = Response::new(Body::from(file.data.into_owned()));
    let headers = response.headers_mut();
    if let Ok(mime) = HeaderValue::from_str(mime.as_ref()) {
        headers.insert(header::CONTENT_TYPE, mime);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Some(response)
}
