//! A URL of a backend, and the connections that can be made to it.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tower::ServiceExt;

use crate::config::TlsConfig;

use super::news::News;

/// What one call may have under way, in bytes.
const STREAM_WINDOW: u32 = 64 * 1024;
/// The largest window of HTTP/2 (RFC 9113, section 6.9.1).
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// A URL that can be connected to.
#[derive(Debug, Clone)]
pub(super) struct Target {
    uri: Uri,
    tls: Option<ClientTlsConfig>,
}

impl Target {
    /// # Errors
    /// A sentence naming the URL or the file that cannot be used.
    pub(super) fn parse(url: &str, tls: &TlsConfig) -> Result<Self, String> {
        let with_scheme = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let uri: Uri = with_scheme.parse().map_err(|error| format!("url: `{url}`: {error}"))?;
        let Some(host) = uri.host().filter(|host| !host.is_empty()) else {
            return Err(format!("url: `{url}`: has no host; write it like http://localhost:50051"));
        };
        let tls = match uri.scheme_str() {
            Some("https") => Some(client_tls(tls, host)?),
            Some("http") if *tls == TlsConfig::default() => None,
            Some("http") => {
                return Err(format!("url: `{url}`: has `tls` settings, so it must begin with https://"));
            }
            _ => return Err(format!("url: `{url}`: must begin with http:// or https://")),
        };
        let target = Self { uri, tls };
        target.endpoint(None).map_err(|error| format!("url: `{url}`: {error}"))?;
        Ok(target)
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
            None => self.uri.authority().map_or_else(String::new, ToString::to_string),
        }
    }

    /// A connection that is made when first used, and again whenever it breaks; `news` hears of each.
    pub(super) fn connect(
        &self,
        address: Option<SocketAddr>,
        news: Option<News>,
    ) -> Result<Channel, tonic::transport::Error> {
        let connector = connector().map_response(move |io| {
            if let Some(news) = &news {
                news.tell();
            }
            io
        });
        Ok(self.endpoint(address)?.connect_with_connector_lazy(connector))
    }

    fn endpoint(&self, address: Option<SocketAddr>) -> Result<Endpoint, tonic::transport::Error> {
        let endpoint = match address {
            // The backend still hears the name that it is called by.
            Some(address) => {
                let scheme = if self.tls.is_some() { "https" } else { "http" };
                Endpoint::from_shared(format!("{scheme}://{address}"))?.origin(self.uri.clone())
            }
            None => Endpoint::from(self.uri.clone()),
        };
        let endpoint = match &self.tls {
            Some(tls) => endpoint.tls_config(tls.clone())?,
            None => endpoint,
        };
        Ok(endpoint
            .connect_timeout(HANDSHAKE_TIMEOUT)
            // All calls share one connection: what one subscriber leaves unread must never fill the window of the
            // others.
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW))
    }
}

fn connector() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
    // A silent partition would hang a stream for good. TCP notices it within half a minute; HTTP/2 pings that often
    // make gRPC servers close the connection (`too_many_pings`).
    connector.set_keepalive(Some(Duration::from_secs(10)));
    connector.set_keepalive_interval(Some(Duration::from_secs(5)));
    connector.set_keepalive_retries(Some(3));
    // While something is unacknowledged there is no keep-alive, and Linux would go on for a quarter of an hour.
    #[cfg(target_os = "linux")]
    connector.set_tcp_user_timeout(Some(Duration::from_secs(25)));
    connector
}

fn client_tls(config: &TlsConfig, host: &str) -> Result<ClientTlsConfig, String> {
    let name = config.server_name.as_deref().unwrap_or(host.trim_matches(['[', ']']));
    let mut tls = ClientTlsConfig::new().domain_name(name);
    tls = match &config.ca {
        Some(file) => tls.ca_certificate(Certificate::from_pem(read("tls.ca", file)?)),
        None => tls.with_native_roots(),
    };
    match (&config.cert, &config.key) {
        (Some(cert), Some(key)) => {
            Ok(tls.identity(Identity::from_pem(read("tls.cert", cert)?, read("tls.key", key)?)))
        }
        (None, None) => Ok(tls),
        (Some(_), None) => Err("tls.cert: needs `tls.key` beside it".into()),
        (None, Some(_)) => Err("tls.key: needs `tls.cert` beside it".into()),
    }
}

fn read(key: &str, file: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(file).map_err(|error| format!("{key}: {}: {error}", file.display()))
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
            let error = Target::parse(url, &tls).unwrap_err();
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
            assert_eq!(Target::parse(url, &TlsConfig::default()).unwrap().name(), expected, "{url}");
        }
    }
}
