//! Answers for a handler that panicked.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;

use crate::error::Error;

/// A panic ends its own request, and nothing else.
pub async fn panics<'a, F>(request: &'a mut Request, next: impl FnOnce(&'a mut Request) -> F) -> Response
where
    F: Future<Output = Response>,
{
    let outcome = AssertUnwindSafe(async { next(request).await }).catch_unwind().await;
    outcome.unwrap_or_else(|panic| panicked(&*panic))
}

/// What a handler that panicked answers; the log has the rest.
fn panicked(panic: &(dyn Any + Send)) -> Response {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    Error::internal(format!("panic: {text}")).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_like_any_other() {
        for panic in [&"index 7" as &(dyn Any + Send), &"x".to_owned(), &7] {
            let response = panicked(panic);
            let error = response.extensions().get::<Error>().map(ToString::to_string).unwrap();
            assert_eq!(error, "INTERNAL (INTERNAL): The edge could not handle this. Its log says why.");
        }
    }
}
