//! Errors of the outer guards in the form that gRPC, gRPC-Web and Connect clients understand.

use axum::extract::Request;
use axum::response::Response;

use crate::error::Error;
use crate::layer::RouteName;

use super::kind::Kind;
use super::refuse::refuse;

/// Rewrites what no face has answered yet; what has a route speaks its own way.
pub async fn speak<'a, F>(request: &'a mut Request, next: impl FnOnce(&'a mut Request) -> F) -> Response
where
    F: Future<Output = Response>,
{
    let kind = Kind::of(request);
    let response = next(request).await;
    match (kind, response.extensions().get::<Error>()) {
        (Some(kind), Some(error)) if response.extensions().get::<RouteName>().is_none() => {
            refuse(kind, error)
        }
        _ => response,
    }
}
