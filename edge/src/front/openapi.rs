//! Serves the OpenAPI document.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::error::{Code, Error, Result};
use crate::layer::Cookies;
use crate::openapi::{Object, Terms, document};
use crate::schema::Schema;

use super::head::Tags;
use super::state::{Front, Shared};

const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// Answers `/openapi.json`, to anyone: it holds what the backend declares, and nothing of its data.
pub async fn openapi(State(front): State<Shared>, headers: HeaderMap) -> Result<Response> {
    if !front.config.paths.openapi {
        let message = "The OpenAPI document is not served here: `paths.openapi` is off.";
        return Err(Error::new(Code::NotFound, "NOT_SERVED", message));
    }
    let schema = front.loaded()?;
    let rendered = front.document.of(&schema, || describe(&front, &schema));
    let known = Tags::read(&headers, &header::IF_NONE_MATCH);
    let mut response = match &rendered.etag {
        Some(etag) if known.hold(etag) => StatusCode::NOT_MODIFIED.into_response(),
        _ => ([(header::CONTENT_TYPE, JSON)], rendered.json).into_response(),
    };
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response.headers_mut().extend(rendered.etag.map(|etag| (header::ETAG, etag)));
    Ok(response)
}

/// The document of a schema behind this edge.
pub fn describe(front: &Front, schema: &Schema) -> Object {
    let auth = &front.config.auth;
    let cookie = Cookies { secure: auth.secure_cookies }.full_name(&auth.cookie);
    document(Terms {
        schema,
        rest: &front.config.rest,
        verifies: front.keys.verifies(schema),
        cookie: &cookie,
    })
}
