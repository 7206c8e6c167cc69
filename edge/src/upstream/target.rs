//! A URL of a backend, and the connections that can be made to it.

use std::error::Error;
use std::future::pending;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use http::uri::{Authority, Parts, PathAndQuery, Scheme};
use hyper_util::client::legacy::connect::HttpConnector;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tower::ServiceExt;

use crate::config::TlsConfig;

use super::failure::Unreached;
use super::http2::Sender;
use super::pulse::{Felt, Pulse};
use super::tls::Tls;

/// What one call may have under way, in bytes.
const STREAM_WINDOW: u32 = 64 * 1024;
/// The largest window of HTTP/2 (RFC 9113, section 6.9.1).
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Name, TCP, TLS and HTTP/2 together.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// The head of an answer, decoded.
const HEAD_BYTES: u32 = 16 * 1024;
/// Calls before the backend has said how many it takes at once: what every HTTP/2 server should (RFC 9113, section
/// 6.5.2).
const FIRST_STREAMS: usize = 100;

/// A URL that can be connected to.
#[derive(Debug, Clone)]
pub(super) struct Target {
    uri: Uri,
    /// What the backend hears that it is called by.
    scheme: Scheme,
    authority: Authority,
    tls: Option<Tls>,
    keepalive: Duration,
}

impl Target {
    /// # Errors
    /// A sentence naming the URL or the file that cannot be used.
    pub(super) fn parse(url: &str, tls: &TlsConfig, keepalive: Duration) -> Result<Self, String> {
        let with_scheme = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let uri: Uri = with_scheme.parse().map_err(|error| format!("url: `{url}`: {error}"))?;
        let authority = uri.authority().filter(|authority| !authority.host().is_empty());
        let (Some(scheme), Some(authority)) = (uri.scheme().cloned(), authority.cloned()) else {
            return Err(format!("url: `{url}`: has no host; write it like http://localhost:50051"));
        };
        let tls = match scheme.as_str() {
            "https" => Some(Tls::new(tls, authority.host())?),
            "http" if *tls == TlsConfig::default() => None,
            "http" => {
                return Err(format!("url: `{url}`: has `tls` settings, so it must begin with https://"));
            }
            _ => return Err(format!("url: `{url}`: must begin with http:// or https://")),
        };
        Ok(Self { uri, scheme, authority, tls, keepalive })
    }

    /// Host and port to look up; none where the URL names one process by itself. `localhost` does: its addresses of
    /// both families are the same process.
    pub(super) fn name(&self) -> Option<(&str, u16)> {
        let host = self.uri.host()?;
        let is_address = host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
        let port = self.uri.port_u16().unwrap_or(if self.tls.is_some() { 443 } else { 80 });
        (!is_address && !host.eq_ignore_ascii_case("localhost")).then_some((host, port))
    }

    /// Whether both are the same URL.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.uri == other.uri
    }

    /// What logs call an address of it.
    pub(super) fn describe(&self, address: Option<SocketAddr>) -> String {
        match address {
            Some(address) => address.to_string(),
            None => self.authority.to_string(),
        }
    }

    /// Where a method of the backend is.
    pub(super) fn at(&self, path: Option<PathAndQuery>) -> Uri {
        let mut parts = Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(path.unwrap_or(PathAndQuery::from_static("/")));
        // Nothing that makes a URI is missing.
        Uri::from_parts(parts).unwrap_or_default()
    }

    /// Connects, and has the runtime drive the connection.
    pub(super) async fn connect(self, address: Option<SocketAddr>) -> Result<Sender, Unreached> {
        let connected = timeout(HANDSHAKE_TIMEOUT, self.handshake(address)).await;
        let connected = connected.unwrap_or_else(|late| Err(late.into()));
        connected.map_err(|error| Unreached(Arc::from(error)))
    }

    async fn handshake(&self, address: Option<SocketAddr>) -> Result<Sender, Box<dyn Error + Send + Sync>> {
        let place = match address {
            Some(address) => format!("{}://{address}", self.scheme).parse()?,
            None => self.uri.clone(),
        };
        let stream = connector().oneshot(place).await?.into_inner();
        match &self.tls {
            Some(tls) => Ok(self.begin(tls.connect(stream).await?).await?),
            None => Ok(self.begin(stream).await?),
        }
    }

    async fn begin(
        &self,
        socket: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    ) -> Result<Sender, h2::Error> {
        let pulse = Arc::<Pulse>::default();
        let (requests, mut connection) = h2::client::Builder::new()
            // All calls share one connection: what one subscriber leaves unread must never fill the window of the
            // others.
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .initial_max_send_streams(FIRST_STREAMS)
            .max_header_list_size(HEAD_BYTES)
            .enable_push(false)
            .handshake(Felt { socket, pulse: Arc::clone(&pulse) })
            .await?;
        // Taken once.
        let pings = connection.ping_pong();
        let (heard, keepalive, backend) = (Arc::clone(&pulse), self.keepalive, self.authority.clone());
        tokio::spawn(async move {
            let stops = async {
                match pings {
                    Some(pings) => heard.stops(pings, keepalive).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                ended = connection => if let Err(error) = ended {
                    tracing::debug!(%error, "a connection to a backend broke");
                },
                () = stops => tracing::warn!(%backend, "a connection to a backend is silent and is given up"),
            }
        });
        Ok(Sender { requests, pulse })
    }
}

fn connector() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
    // A silent partition would hang a stream for good. TCP notices it within half a minute; HTTP/2 pings that often
    // make gRPC servers close the connection (`too_many_pings`), so those are for what TCP cannot notice.
    connector.set_keepalive(Some(Duration::from_secs(10)));
    connector.set_keepalive_interval(Some(Duration::from_secs(5)));
    connector.set_keepalive_retries(Some(3));
    // While something is unacknowledged there is no keep-alive, and Linux would go on for a quarter of an hour.
    #[cfg(target_os = "linux")]
    connector.set_tcp_user_timeout(Some(Duration::from_secs(25)));
    connector
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_used_is_said_by_its_key() {
        let tls = |ca: Option<&str>, cert: Option<&str>| TlsConfig {
            ca: ca.map(Into::into),
            cert: cert.map(Into::into),
            ..TlsConfig::default()
        };
        for (url, tls, expected) in [
            ("http://", tls(None, None), "url: `http://`"),
            ("ftp://a", tls(None, None), "must begin with http:// or https://"),
            ("a b", tls(None, None), "url: `a b`"),
            ("http://a", tls(Some("ca.pem"), None), "must begin with https://"),
            ("https://a", tls(Some("no/such.pem"), None), "tls.ca: no/such.pem"),
            ("https://a", tls(None, Some("no/such.pem")), "tls.cert: needs `tls.key`"),
        ] {
            let error = Target::parse(url, &tls, Duration::ZERO).unwrap_err();
            assert!(error.contains(expected), "{url}: {error}");
        }
    }

    #[test]
    fn only_names_are_looked_up() {
        for (url, expected) in [
            ("http://10.0.0.1:50051", None),
            ("[::1]:50051", None),
            ("LocalHost:50051", None),
            ("http://core.default.svc:50051", Some(("core.default.svc", 50051))),
            ("core", Some(("core", 80))),
            ("https://api.example.com", Some(("api.example.com", 443))),
        ] {
            let target = Target::parse(url, &TlsConfig::default(), Duration::ZERO).unwrap();
            assert_eq!(target.name(), expected, "{url}");
        }
    }
}
