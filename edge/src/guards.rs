//! The chain that every request of a browser passes, from the outside in.
//!
//! Each guard looks at the request and hands it on to what stands behind it. They are functions and not middleware of a
//! framework: every one of those costs an allocation or more for each request. The request stays where it is until it is
//! taken apart, or each of the nested futures would have room for it, and copy it into the next.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::config::EdgeConfig;
use crate::error_style::ErrorStyle;
use crate::front::{Shared, dispatch, own, rpc};
use crate::layer::{
    AddressLimit, Metadata, Origins, access_log, address_limit, compression, cors, error_form, host,
    native_event_source, panics, speak_last,
};
use crate::telemetry::Traces;

/// The guards with what they need.
#[derive(Debug)]
pub struct Guards {
    style: ErrorStyle,
    origins: Origins,
    traces: Traces,
    retry: Duration,
    addresses: Arc<AddressLimit>,
    /// Cancelled when a shutdown can wait no longer.
    time_is_up: CancellationToken,
    /// The edge's own paths.
    own: Router,
    front: Shared,
}

impl Guards {
    pub fn new(front: &Shared, addresses: Arc<AddressLimit>, time_is_up: CancellationToken) -> Self {
        let EdgeConfig { cors, dev, streams, rest, .. } = &front.config;
        let metadata = Metadata::new(&front.request_headers, &front.response_headers, rest.compat);
        Self {
            style: ErrorStyle::of(&front.config),
            origins: Origins { listed: cors.origins.clone(), loopback: *dev, metadata },
            traces: Traces::default(),
            retry: streams.retry,
            addresses,
            time_is_up,
            own: own::routes(front).with_state(Arc::clone(front)),
            front: Arc::clone(front),
        }
    }

    /// Answers a request.
    pub async fn answer(&self, mut request: Request) -> Response {
        if own::is_probe(&self.front.config.paths, &request) {
            return own::probe();
        }
        // Outside of all that can fail.
        error_form(self.style, &mut request, |request| self.readable(request)).await
    }

    async fn readable(&self, request: &mut Request) -> Response {
        // Outside of all that answers, or pages of other origins could not read it; before the log, so that a preflight
        // costs next to nothing.
        cors(&self.origins, request, |request| self.logged(request)).await
    }

    async fn logged(&self, request: &mut Request) -> Response {
        access_log(&self.traces, request, |request| host(request, |request| self.compressed(request))).await
    }

    async fn compressed(&self, request: &mut Request) -> Response {
        compression(request, |request| panics(request, |request| self.spoken(request))).await
    }

    async fn spoken(&self, request: &mut Request) -> Response {
        let retry = self.retry;
        native_event_source(retry, request, |request| rpc::speak(request, |request| self.limited(request)))
            .await
    }

    async fn limited(&self, request: &mut Request) -> Response {
        // Before the match, so that guessing paths is limited too.
        address_limit(&self.addresses, request, |request| {
            speak_last(&self.time_is_up, request, |request| self.routed(request))
        })
        .await
    }

    /// Match, credentials and rates by caller follow inside `dispatch`, because they depend on the method that is matched.
    async fn routed(&self, request: &mut Request) -> Response {
        // Even where the template of a binding would match.
        if own::is_reserved(&self.front.config.paths, request.uri().path()) {
            let request = std::mem::take(request);
            return self.own.clone().oneshot(request).await.unwrap_or_else(|never| match never {});
        }
        // Boxed: it is by far the largest part.
        let answer: BoxFuture<'static, Response> =
            Box::pin(dispatch(Arc::clone(&self.front), std::mem::take(request)));
        answer.await
    }
}
