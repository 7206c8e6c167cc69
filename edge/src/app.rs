//! The wiring: the state of an edge, and what browsers and operators reach of it.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use futures_util::future::BoxFuture;
use http::HeaderName;
use tokio_util::sync::CancellationToken;

use crate::config::EdgeConfig;
use crate::drain::Drain;
use crate::fresh::Freshness;
use crate::front::lobby::Sessions;
use crate::front::openapi::describe;
use crate::front::{Document, Front, Shared, ops};
use crate::guards::Guards;
use crate::hub::{Hub, Manner};
use crate::layer::{AddressLimit, CallerLimit, Keys, StreamLimit, Tickets};
use crate::learn::{Learner, LoadError};
use crate::openapi;
use crate::reload;
use crate::schema::{Schema, Source};
use crate::shutdown::Shutdown;
use crate::upstream::Upstream;

/// An edge in front of its backends. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Edge {
    front: Shared,
    freshness: Arc<Freshness>,
    addresses: Arc<AddressLimit>,
    time_is_up: CancellationToken,
}

impl Edge {
    /// `grpc` is where the console tells people that gRPC answers.
    ///
    /// # Errors
    /// A sentence naming the setting that cannot be used.
    pub fn new(
        mut config: EdgeConfig,
        upstream: Upstream,
        source: Source,
        grpc: Option<String>,
    ) -> Result<Self, String> {
        check(&config)?;
        config.rest = config.rest.settled();
        let learner = Learner::new(&config, upstream.clone(), source)?;
        let limits = &config.limits;
        let addresses = AddressLimit::new(
            limits.requests_per_second,
            limits.request_burst,
            limits.trusted_proxies.clone(),
        );
        let addresses = Arc::new(addresses);
        let front = Front {
            sessions: Sessions::new(config.sessions.clone(), Arc::clone(&addresses)),
            schema: ArcSwapOption::empty(),
            document: Document::default(),
            keys: Keys::new(config.auth.clone(), upstream.clone())?,
            hub: Hub::new(upstream.clone(), manner(&config)?),
            tickets: Tickets::new(config.auth.ticket_key.as_ref())?,
            upstream,
            caller_limit: CallerLimit::default(),
            stream_limit: StreamLimit::new(&config.limits, &config.streams),
            request_headers: header_names("calls.request_headers", &config.calls.request_headers)?,
            response_headers: header_names("calls.response_headers", &config.calls.response_headers)?,
            drain: Drain::new(&config.drain),
            grpc,
            config,
        };
        let front = Arc::new(front);
        let freshness = Arc::new(Freshness::new(learner, Arc::clone(&front)));
        Ok(Self { front, freshness, addresses, time_is_up: CancellationToken::new() })
    }

    pub fn config(&self) -> &EdgeConfig {
        &self.front.config
    }

    /// Cancelled when the edge is to shut down.
    pub fn drain(&self) -> &CancellationToken {
        self.front.drain.begun()
    }

    /// How the listener for browsers ends: open calls are answered before it cuts them.
    pub fn shutdown(&self) -> Shutdown {
        Shutdown {
            drain: self.front.drain.begun().clone(),
            grace: self.front.config.drain.grace,
            time_is_up: self.time_is_up.clone(),
        }
    }

    /// Completes when every session has ended, at the latest with the grace of the shutdown. They are not among the
    /// listener's connections any more.
    pub async fn sessions_ended(&self) {
        let tasks = &self.front.sessions.tasks;
        tasks.close();
        if !self.shutdown().ends(tasks.wait()).await {
            tracing::warn!(open = tasks.len(), "sessions were still open and are cut");
        }
    }

    /// Fetches descriptors and compiles them with the rules.
    ///
    /// # Errors
    /// Why there is no schema.
    pub async fn load(&self) -> Result<Schema, LoadError> {
        self.freshness.load().await
    }

    /// The OpenAPI document of a schema, as it would be served.
    pub fn openapi(&self, schema: &Schema) -> openapi::Object {
        describe(&self.front, schema)
    }

    /// Loads the schema once, before anyone is told that the edge listens; a backend that is not there yet is met later.
    ///
    /// # Errors
    /// What is wrong with the backend's descriptors or rules: then the edge must not start.
    pub async fn begin(&self) -> Result<(), LoadError> {
        self.freshness.begin().await
    }

    /// Has descriptors and rules read again soon.
    pub fn ask_to_reload(&self) {
        self.freshness.ask();
    }

    /// Waits for backends that were not there at the start, then takes over changed descriptors; the last good schema
    /// stays when the new one is wrong. Ends when the edge shuts down.
    ///
    /// # Errors
    /// What is wrong with the first schema.
    pub async fn keep_fresh(&self) -> Result<(), LoadError> {
        let tidy = || {
            self.addresses.tidy();
            self.front.caller_limit.tidy();
            self.front.keys.revocations().tidy();
        };
        self.freshness.keep(tidy).await
    }

    /// Hears which tokens are revoked and when somebody may have lost a right. Never ends, and must go on until the last
    /// stream has ended.
    pub async fn hear_of_lost_rights(&self) -> Infallible {
        tokio::join!(self.front.keys.follow_revocations(), self.pass_on_access_changes());
        std::future::pending().await
    }

    /// Has whoever reads a shared stream admitted again when somebody may have lost a right. Never ends.
    async fn pass_on_access_changes(&self) {
        let mut changes = self.front.keys.revocations().access_changes();
        while changes.changed().await.is_ok() {
            self.front.hub.ask_again();
        }
        std::future::pending::<()>().await;
    }

    /// What browsers reach, as the accept loop calls it.
    pub fn service(&self) -> Service {
        Service(Arc::new(Guards::new(&self.front, Arc::clone(&self.addresses), self.time_is_up.clone())))
    }

    /// The same for a router of axum.
    pub fn router(&self) -> Router {
        Router::new().fallback_service(self.service())
    }

    /// What operators reach.
    pub fn admin(&self) -> Router {
        ops::routes(Arc::clone(&self.front)).merge(reload::routes(Arc::clone(&self.freshness)))
    }
}

/// Answers the requests of browsers.
#[derive(Debug, Clone)]
pub struct Service(Arc<Guards>);

impl tower::Service<Request> for Service {
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let guards = Arc::clone(&self.0);
        // Boxed: what a request needs is not kept between the requests of a connection.
        Box::pin(async move { Ok(guards.answer(request).await) })
    }
}

/// What would otherwise go wrong later.
fn check(config: &EdgeConfig) -> Result<(), String> {
    let prefix = &config.paths.prefix;
    if !prefix.is_empty()
        && (!prefix.starts_with('/') || prefix.ends_with('/') || prefix.contains(['{', '}', '*']))
    {
        return Err(format!("paths.prefix: `{prefix}` must be like `/lastmile`"));
    }
    if config.streams.heartbeat < Duration::from_secs(1) {
        return Err("streams.heartbeat: must be at least 1s".into());
    }
    Ok(())
}

/// How streams are shared and kept.
fn manner(config: &EdgeConfig) -> Result<Manner, String> {
    let streams = &config.streams;
    Ok(Manner {
        peek: streams.peek,
        replay_bytes: streams.replay_bytes,
        memory: streams.memory,
        linger: streams.linger,
        shared_headers: header_names("streams.shared_headers", &streams.shared_headers)?,
        timeout: config.calls.timeout,
    })
}

fn header_names(setting: &str, names: &[String]) -> Result<Vec<HeaderName>, String> {
    let parse = |name: &String| name.parse().map_err(|_| format!("{setting}: `{name}` is not a header name"));
    names.iter().map(parse).collect()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;
    use crate::front::dispatch;

    /// They are copied into their boxes, for every request.
    #[tokio::test]
    async fn the_futures_of_a_request_are_small() {
        let source = Source::Encoded(lastmile_proto::DESCRIPTORS);
        let edge = Edge::new(EdgeConfig::default(), Upstream::nowhere(), source, None).unwrap();
        let Service(guards) = edge.service();
        let guarded = size_of_val(&guards.answer(Request::new(Body::empty())));
        let dispatched = size_of_val(&dispatch(Arc::clone(&edge.front), Request::new(Body::empty())));
        assert!(guarded < 3 * 1024 && dispatched < 8 * 1024, "{guarded} and {dispatched} bytes");
    }
}
