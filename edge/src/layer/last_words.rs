//! Answers calls that are still open when a shutdown can wait no longer: cut, they would tell nobody why.

use std::time::Duration;

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::Extensions;
use rand::Rng;
use tokio_util::sync::CancellationToken;

use crate::error::{Code, Error};

/// Cancelled when the time of the shutdown is nearly up; in the extensions of every request, for bodies that have begun.
#[derive(Debug, Clone)]
struct LastWords(CancellationToken);

/// Answers in place of what is behind it, when the time is up.
pub async fn speak_last<'a, F>(
    time_is_up: &CancellationToken,
    request: &'a mut Request,
    next: impl FnOnce(&'a mut Request) -> F,
) -> Response
where
    F: Future<Output = Response>,
{
    request.extensions_mut().insert(LastWords(time_is_up.clone()));
    tokio::select! {
        biased;
        response = next(request) => response,
        () = time_is_up.cancelled() => cut_by_drain().into_response(),
    }
}

/// Is cancelled when a call of this request must end.
pub fn last_words(extensions: &Extensions) -> CancellationToken {
    extensions.get::<LastWords>().map(|last| last.0.clone()).unwrap_or_default()
}

/// Has what outlives a request end when its calls must.
pub fn pass_on_last_words(from: &Extensions, to: &mut Extensions) {
    if let Some(last) = from.get::<LastWords>() {
        to.insert(last.clone());
    }
}

/// A call that the shutdown does not let begin: no backend has seen it.
pub fn draining() -> Error {
    let message = "This edge is shutting down. Call again in a moment; another edge will answer.";
    Error::new(Code::Unavailable, "DRAINING", message).retry_after(delay())
}

/// A call that the shutdown ends.
pub fn cut_by_drain() -> Error {
    let message = "This edge is shutting down and ends this call, which the backend may have seen. Call again in a \
         moment, unless it must not happen twice.";
    Error::new(Code::Unavailable, "CUT_BY_DRAIN", message).retry_after(delay())
}

/// Each caller comes back at a time of its own.
fn delay() -> Duration {
    Duration::from_secs_f64(rand::rng().random_range(1.0..5.0))
}
