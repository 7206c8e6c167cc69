//! The backend as a tower service: a remote channel and an in-process core look alike.

use std::time::Duration;

use tonic::body::Body;
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};
use tonic::{Status, codegen::StdError};
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceExt};

/// `Status` is its error, because boxed errors do not compile in axum handlers.
pub(super) type Transport = BoxCloneSyncService<http::Request<Body>, http::Response<Body>, Status>;

/// Carries gRPC calls; cheap to clone.
#[derive(Clone)]
pub struct Upstream {
    pub(super) service: Transport,
}

impl std::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Upstream")
    }
}

impl Upstream {
    /// Connects to one or several equal backends when first called, and again whenever a connection breaks.
    ///
    /// # Errors
    /// A sentence naming the URL that cannot be used.
    pub fn connect(urls: &[String]) -> Result<Self, String> {
        let mut endpoints = urls.iter().map(|url| endpoint(url)).collect::<Result<Vec<_>, _>>()?;
        let channel = match endpoints.pop() {
            None => return Err("no backend: give --upstream URL".into()),
            Some(only) if endpoints.is_empty() => only.connect_lazy(),
            Some(last) => Channel::balance_list(endpoints.into_iter().chain([last])),
        };
        Ok(Self::from_service(channel))
    }

    /// No backend at all: for looking at descriptors from a file.
    pub fn nowhere() -> Self {
        let nobody = || Err::<http::Response<Body>, _>(Status::unavailable("there is no backend"));
        Self::from_service(tower::service_fn(move |_: http::Request<Body>| std::future::ready(nobody())))
    }

    /// Calls a service in this process, without sockets.
    pub fn from_service<S>(service: S) -> Self
    where
        S: Service<http::Request<Body>, Response = http::Response<Body>> + Clone + Send + Sync + 'static,
        S::Error: Into<StdError>,
        S::Future: Send + 'static,
    {
        let service = service.map_err(|error| Status::from_error(error.into()));
        Self { service: BoxCloneSyncService::new(service) }
    }
}

/// What one call may have under way, in bytes.
const STREAM_WINDOW: u32 = 64 * 1024;
/// The largest window of HTTP/2 (RFC 9113, section 6.9.1).
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;

fn endpoint(url: &str) -> Result<Endpoint, String> {
    let with_scheme = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
    let endpoint =
        Endpoint::from_shared(with_scheme).map_err(|error| format!("upstream `{url}`: {error}"))?;
    if endpoint.uri().host().is_none() {
        return Err(format!("upstream `{url}`: has no host; write it like http://localhost:50051"));
    }
    let endpoint = if endpoint.uri().scheme_str() == Some("https") {
        endpoint
            .tls_config(ClientTlsConfig::new().with_native_roots())
            .map_err(|error| format!("upstream `{url}`: {error}"))?
    } else {
        endpoint
    };
    Ok(endpoint
        .connect_timeout(Duration::from_secs(3))
        .tcp_nodelay(true)
        // A silent partition would hang a stream for good. TCP notices it within half a minute; HTTP/2 pings that often
        // make gRPC servers close the connection (`too_many_pings`).
        .tcp_keepalive(Some(Duration::from_secs(10)))
        .tcp_keepalive_interval(Some(Duration::from_secs(5)))
        .tcp_keepalive_retries(Some(3))
        // All calls share one connection: what one subscriber leaves unread must never fill the window of the others.
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW))
}
