//! The wiring: state, guards in their order, and the schema that is kept fresh.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use http::HeaderName;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;

use crate::config::EdgeConfig;
use crate::error::Error;
use crate::front::{Front, Shared, dispatch, ops, own, rpc};
use crate::layer::{
    AddressLimit, CallerLimit, Keys, Metadata, Origins, access_log, address_limit, cors, host,
    native_event_source,
};
use crate::schema::{Mistakes, RuleFile, Schema, Source};
use crate::upstream::{Upstream, reflection};

/// How often a backend that has never answered is tried.
const RETRY: Duration = Duration::from_millis(300);

/// An edge in front of one backend. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Edge {
    front: Shared,
    source: Source,
    rules: Arc<RuleFile>,
    addresses: Arc<AddressLimit>,
}

/// Why the backend's schema could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Try again later.
    #[error("{0}")]
    Unreachable(Error),
    #[error("{0}")]
    Unreadable(String),
    #[error(transparent)]
    Mistakes(#[from] Mistakes),
}

impl Edge {
    /// `grpc` is where the console tells people that gRPC answers.
    ///
    /// # Errors
    /// A sentence naming the setting that cannot be used.
    pub fn new(
        config: EdgeConfig,
        upstream: Upstream,
        source: Source,
        grpc: Option<String>,
    ) -> Result<Self, String> {
        let rules = match &config.rules {
            Some(file) => {
                let text =
                    std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
                RuleFile::parse(&text).map_err(|error| format!("{}: {error}", file.display()))?
            }
            None => RuleFile::default(),
        };
        check(&config)?;
        let limits = &config.limits;
        let addresses = AddressLimit::new(
            limits.requests_per_second,
            limits.request_burst,
            limits.trusted_proxies.clone(),
        );
        let front = Front {
            schema: ArcSwapOption::empty(),
            keys: Keys::new(config.auth.clone(), upstream.clone())?,
            upstream,
            caller_limit: CallerLimit::default(),
            request_headers: header_names("calls.request_headers", &config.calls.request_headers)?,
            response_headers: header_names("calls.response_headers", &config.calls.response_headers)?,
            drain: CancellationToken::new(),
            grpc,
            config,
        };
        Ok(Self { front: Arc::new(front), source, rules: Arc::new(rules), addresses: Arc::new(addresses) })
    }

    pub fn config(&self) -> &EdgeConfig {
        &self.front.config
    }

    /// Cancelled when the edge is to shut down.
    pub fn drain(&self) -> &CancellationToken {
        &self.front.drain
    }

    /// Fetches descriptors and compiles them with the rules.
    pub async fn load(&self) -> Result<Schema, LoadError> {
        let files = match self.source.read().map_err(LoadError::Unreadable)? {
            Some(files) => files,
            None => reflection::fetch(&self.front.upstream).await.map_err(LoadError::Unreachable)?,
        };
        let paths = &self.front.config.paths;
        Ok(Schema::load(files, &self.rules, |template| own::is_reserved(paths, template))?)
    }

    /// Loads the schema once, before anyone is told that the edge listens; a backend that is not there yet is met later.
    ///
    /// # Errors
    /// What is wrong with the backend's descriptors or rules: then the edge must not start.
    pub async fn begin(&self) -> Result<(), LoadError> {
        match self.load().await {
            Ok(schema) => {
                self.take(schema);
                Ok(())
            }
            Err(LoadError::Unreachable(error)) if error.reason_text() != "REFLECTION_MISSING" => {
                tracing::warn!(%error, "waiting for the backend");
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Waits for a backend that was not there at the start, then takes over its changed descriptors; the last good
    /// schema stays when the new one is wrong.
    ///
    /// # Errors
    /// What is wrong with the first schema.
    pub async fn keep_fresh(&self) -> Result<(), LoadError> {
        let refresh = self.front.config.calls.refresh.max(Duration::from_secs(1));
        loop {
            let is_first = self.front.schema.load().is_none();
            tokio::select! {
                () = sleep(if is_first { RETRY } else { refresh }) => {}
                () = self.front.drain.cancelled() => return Ok(()),
            }
            self.addresses.tidy();
            self.front.caller_limit.tidy();
            match self.load().await {
                Ok(schema) => self.take(schema),
                Err(LoadError::Unreachable(error)) => tracing::debug!(%error, "descriptors not refreshed"),
                Err(error) if is_first => return Err(error),
                Err(error) => tracing::error!(%error, "the new schema is wrong; the last good one stays"),
            }
        }
    }

    fn take(&self, schema: Schema) {
        let current = self.front.schema.load();
        if current.as_ref().is_none_or(|current| current.descriptors != schema.descriptors) {
            tracing::info!(methods = schema.methods.len(), bindings = schema.bindings.len(), "schema loaded");
            self.front.schema.store(Some(Arc::new(schema)));
        }
    }

    /// What browsers reach.
    pub fn router(&self) -> Router {
        let config = &self.front.config;
        let metadata = Metadata::new(&self.front.request_headers, &self.front.response_headers);
        let origins = Origins { listed: config.cors.origins.clone(), loopback: config.dev, metadata };
        // From the outside in. CORS stands before the log, so that a preflight costs next to nothing; rates by address
        // stand before the match, so that guessing paths is limited too. Match, credentials and rates by caller follow
        // inside `dispatch`, because they depend on the method that was matched.
        let guards = ServiceBuilder::new()
            .layer(CatchPanicLayer::new())
            .layer(from_fn(host))
            .layer(from_fn_with_state(Arc::new(origins), cors))
            .layer(from_fn(access_log))
            .layer(from_fn_with_state(Arc::new(config.streams.retry), native_event_source))
            .layer(from_fn(rpc::speak))
            .layer(from_fn_with_state(Arc::clone(&self.addresses), address_limit));
        let guarded =
            own::routes(&self.front).fallback(dispatch).with_state(Arc::clone(&self.front)).layer(guards);
        own::probe(&config.paths).merge(guarded)
    }

    /// What operators reach.
    pub fn admin(&self) -> Router {
        ops::routes(Arc::clone(&self.front))
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

fn header_names(setting: &str, names: &[String]) -> Result<Vec<HeaderName>, String> {
    let parse = |name: &String| name.parse().map_err(|_| format!("{setting}: `{name}` is not a header name"));
    names.iter().map(parse).collect()
}
