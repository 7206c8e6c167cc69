//! Refuses requests that do not say, or say twice, which host they are for (RFC 9112, section 3.2).

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::{Version, header};

use crate::error::{Code, Error};

pub async fn host<'a, F>(request: &'a mut Request, next: impl FnOnce(&'a mut Request) -> F) -> Response
where
    F: Future<Output = Response>,
{
    let hosts = request.headers().get_all(header::HOST).iter().count();
    let wanted = if request.version() == Version::HTTP_11 { 1..=1 } else { 0..=1 };
    if wanted.contains(&hosts) {
        return next(request).await;
    }
    Error::new(Code::InvalidArgument, "HOST_INVALID", "Send exactly one `Host` header.").into_response()
}
