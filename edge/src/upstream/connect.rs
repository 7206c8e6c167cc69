//! All that answers calls: backends elsewhere, or a service in this process.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use tokio::sync::watch;
use tonic::body::Body;
use tonic::{Status, codegen::StdError};
use tower::{Service, ServiceExt};

use crate::config::UpstreamConfig;
use crate::error::Error;

use super::backend::{Backend, Tried};
use super::body::Outgoing;
use super::endpoint::{Endpoint, EndpointState};
use super::incoming::Incoming;
use super::manner::{ByEdge, Manner};
use super::news::News;
use super::remote::{Remote, Served};
use super::resolve::Names;
use super::status::to_error;
use super::target::Target;

/// Carries gRPC calls; cheap to clone.
#[derive(Clone)]
pub struct Upstream {
    way: Way,
    /// A service in this process knows the edge by [`ByEdge`].
    knows_edge: bool,
    /// Calls are the edge's own.
    is_by_edge: bool,
}

/// Who answers.
#[derive(Clone)]
enum Way {
    Remote(Arc<Remote>),
    /// One process of a backend.
    Pinned(Arc<Endpoint>),
    /// A service in this process.
    Local(Arc<Local>),
}

type Local = dyn Fn(Request<Body>) -> BoxFuture<'static, Result<Response<Body>, Status>> + Send + Sync;

impl std::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Upstream")
    }
}

impl Upstream {
    /// Connects to backends when they are first called, and again whenever a connection breaks.
    ///
    /// # Errors
    /// A sentence naming the setting that cannot be used.
    pub fn connect(upstreams: &[UpstreamConfig]) -> Result<Self, String> {
        Self::connect_by(upstreams, &Names::system())
    }

    /// The same with other names than the machine's.
    ///
    /// # Errors
    /// A sentence naming the setting that cannot be used.
    pub fn connect_by(upstreams: &[UpstreamConfig], names: &Names) -> Result<Self, String> {
        if upstreams.is_empty() {
            return Err("no backend: give --upstream URL".into());
        }
        let news = News::new();
        let backends = upstreams.iter().map(|config| {
            if upstreams.iter().filter(|other| other.name() == config.name()).count() > 1 {
                return Err(format!("upstream: there are two of the name `{}`", config.name()));
            }
            backend(config, names, &news).map_err(|error| format!("upstream `{}`: {error}", config.name()))
        });
        let backends = backends.collect::<Result<_, _>>()?;
        Ok(Self::by(Way::Remote(Arc::new(Remote::new(backends, news)))))
    }

    /// No backend at all: for looking at descriptors from a file.
    pub fn nowhere() -> Self {
        let nobody = || Err::<Response<Body>, _>(Status::unavailable("there is no backend"));
        Self::from_service(tower::service_fn(move |_: Request<Body>| std::future::ready(nobody())))
    }

    /// Calls a service in this process, without sockets.
    pub fn from_service<S>(service: S) -> Self
    where
        S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + Sync + 'static,
        S::Error: Into<StdError>,
        S::Future: Send + 'static,
    {
        let call = move |request| -> BoxFuture<'static, _> {
            let answer = service.clone().oneshot(request);
            Box::pin(async move { answer.await.map_err(|error| Status::from_error(error.into())) })
        };
        Self::by(Way::Local(Arc::new(call)))
    }

    fn by(way: Way) -> Self {
        Self { way, knows_edge: false, is_by_edge: false }
    }

    /// The service in this process takes calls with [`ByEdge`] for the edge's own.
    #[must_use]
    pub fn known_to_service(self) -> Self {
        Self { knows_edge: true, ..self }
    }

    /// Whether the edge has a credential of its own for this method.
    pub fn has_credential(&self, path: &str) -> bool {
        match &self.way {
            Way::Remote(remote) => {
                remote.find(path).is_some_and(|backend| backend.manner.credential.is_some())
            }
            Way::Pinned(_) | Way::Local(_) => self.knows_edge,
        }
    }

    /// Whether calls are the edge's own.
    pub fn is_by_edge(&self) -> bool {
        self.is_by_edge
    }

    /// The same backends, called with the edge's own credential.
    #[must_use]
    pub fn by_edge(&self) -> Self {
        Self { is_by_edge: true, ..self.clone() }
    }

    /// A single process of the backend with this place in the settings, so that all answers are of one version of it;
    /// a service in this process is the same always.
    ///
    /// # Errors
    /// UNAVAILABLE when none is known.
    pub async fn pinned(&self, backend: usize) -> Result<Self, Error> {
        let Some(backend) = self.remote().and_then(|remote| remote.backends.get(backend)) else {
            return Ok(self.clone());
        };
        let endpoint = backend.pick(None).await.map_err(|status| to_error(&status, None))?;
        Ok(Self { way: Way::Pinned(endpoint), ..self.clone() })
    }

    /// The backends that calls are shared among; none for a service in this process.
    pub(super) fn remote(&self) -> Option<&Arc<Remote>> {
        match &self.way {
            Way::Remote(remote) => Some(remote),
            Way::Pinned(_) | Way::Local(_) => None,
        }
    }

    /// Makes a call; completes with the head of its answer.
    pub(super) async fn send(
        &self,
        mut request: Request<Outgoing>,
        tried: Option<&mut Tried>,
    ) -> Result<Response<Incoming>, Status> {
        if self.is_by_edge {
            request.extensions_mut().insert(ByEdge);
        }
        match &self.way {
            Way::Remote(remote) => Ok(remote.send(request, tried).await?.map(Incoming::Remote)),
            Way::Pinned(endpoint) => Ok(Arc::clone(endpoint).send(request).await?.map(Incoming::Remote)),
            Way::Local(service) => Ok(service(request.map(Body::from)).await?.map(Incoming::Local)),
        }
    }

    /// Takes over which backend serves what.
    pub fn serve(&self, served: Served) {
        if let Some(remote) = self.remote() {
            remote.serve(served);
        }
    }

    /// Changes whenever descriptors should be read again; never for a service in this process.
    pub fn news(&self) -> Option<watch::Receiver<u64>> {
        self.remote().map(|remote| remote.news.subscribe())
    }

    /// All endpoints as they are now.
    pub fn endpoints(&self) -> Vec<EndpointState> {
        let backends = self.remote().into_iter().flat_map(|remote| &remote.backends);
        let endpoints = backends.flat_map(|backend| backend.endpoints().to_vec());
        endpoints.map(|endpoint| endpoint.state()).collect()
    }
}

fn backend(config: &UpstreamConfig, names: &Names, news: &News) -> Result<Arc<Backend>, String> {
    if config.url.is_empty() {
        return Err("url: is missing".into());
    }
    let targets = config
        .url
        .iter()
        .map(|url| Target::parse(url, &config.tls, config.keepalive))
        .collect::<Result<_, _>>()?;
    let manner = Manner {
        name: config.name().to_owned(),
        headers: headers(config)?,
        credential: credential(config)?,
        max_streams: config.max_streams.max(1),
        breaker: config.breaker,
        news: news.clone(),
    };
    Ok(Backend::start(manner, config.timeout, targets, names.clone()))
}

fn headers(config: &UpstreamConfig) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, text) in &config.headers {
        let known = name.parse::<HeaderName>().ok().filter(|name| !is_of_protocol(name.as_str()));
        let header = known.ok_or_else(|| format!("headers: `{name}` cannot be set"))?;
        let text = with_variables(&text.0).map_err(|error| format!("headers.{name}: {error}"))?;
        let mut value = HeaderValue::from_str(&text)
            .map_err(|_| format!("headers.{name}: holds characters that a header cannot"))?;
        value.set_sensitive(true);
        headers.insert(header, value);
    }
    Ok(headers)
}

/// The token as `authorization`.
fn credential(config: &UpstreamConfig) -> Result<Option<HeaderValue>, String> {
    let Some(token) = &config.credential else { return Ok(None) };
    let token = with_variables(&token.0).map_err(|error| format!("credential: {error}"))?;
    let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
        .map_err(|_| "credential: holds characters that a header cannot".to_owned())?;
    value.set_sensitive(true);
    Ok(Some(value))
}

/// What gRPC and HTTP/2 say themselves.
fn is_of_protocol(name: &str) -> bool {
    name.starts_with("grpc-")
        || matches!(
            name,
            "te" | "content-type" | "content-length" | "host" | "connection" | "transfer-encoding"
        )
}

/// Puts variables of the environment in place of `${NAME}`.
fn with_variables(text: &str) -> Result<String, String> {
    let Some((before, rest)) = text.split_once("${") else { return Ok(text.to_owned()) };
    let (name, after) = rest.split_once('}').ok_or("`${` has no `}`")?;
    let value = std::env::var(name).map_err(|_| format!("the variable `{name}` is not set"))?;
    Ok(format!("{before}{value}{}", with_variables(after)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::upstream::HeaderText;

    #[tokio::test]
    async fn settings_that_cannot_be_used_are_said() {
        let with = |url: &[&str], headers: &[(&str, &str)]| UpstreamConfig {
            name: Some("stock".into()),
            url: url.iter().map(ToString::to_string).collect(),
            headers: headers.iter().map(|(k, v)| ((*k).to_owned(), HeaderText((*v).to_owned()))).collect(),
            ..UpstreamConfig::default()
        };
        let good = || with(&["http://a:1"], &[]);
        for (upstreams, expected) in [
            (vec![], "no backend: give --upstream URL"),
            (vec![with(&[], &[])], "upstream `stock`: url: is missing"),
            (vec![with(&["http://"], &[])], "upstream `stock`: url: `http://`"),
            (vec![good(), good()], "there are two of the name `stock`"),
            (vec![with(&["a"], &[("te", "x")])], "upstream `stock`: headers: `te` cannot be set"),
            (vec![with(&["a"], &[("x", "${NO_SUCH}")])], "headers.x: the variable `NO_SUCH` is not set"),
            (vec![with(&["a"], &[("x", "${PATH")])], "headers.x: `${` has no `}`"),
        ] {
            let error = Upstream::connect(&upstreams).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        assert!(Upstream::connect(&[good()]).is_ok());
        assert_eq!(with_variables("a${CARGO_PKG_NAME}b").unwrap(), "alastmile-edgeb");
    }
}
