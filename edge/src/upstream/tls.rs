//! TLS towards a backend.

use std::path::Path;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::config::TlsConfig;

/// HTTP/2 in ALPN (RFC 9113, section 3.2).
const HTTP_2: &[u8] = b"h2";

/// How the backend of a URL proves who it is, and the edge who it is.
#[derive(Clone)]
pub(super) struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The other side does not speak HTTP/2.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("HTTP/2 was not negotiated")]
struct NoHttp2;

impl Tls {
    /// # Errors
    /// A sentence naming the key and the file that cannot be used.
    pub(super) fn new(config: &TlsConfig, host: &str) -> Result<Self, String> {
        let name = config.server_name.as_deref().unwrap_or(host.trim_matches(['[', ']'])).to_owned();
        let name = ServerName::try_from(name).map_err(|error| format!("tls.server_name: {error}"))?;
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("tls: {error}"))?
            .with_root_certificates(roots(config.ca.as_deref())?);
        let mut tls = match (&config.cert, &config.key) {
            (Some(cert), Some(key)) => {
                let key_der =
                    PrivateKeyDer::from_pem_file(key).map_err(|error| unusable("tls.key", key, error))?;
                builder
                    .with_client_auth_cert(certificates("tls.cert", cert)?, key_der)
                    .map_err(|error| unusable("tls.key", key, error))?
            }
            (None, None) => builder.with_no_client_auth(),
            (Some(_), None) => return Err("tls.cert: needs `tls.key` beside it".into()),
            (None, Some(_)) => return Err("tls.key: needs `tls.cert` beside it".into()),
        };
        tls.alpn_protocols = vec![HTTP_2.to_vec()];
        Ok(Self { config: Arc::new(tls), name })
    }

    pub(super) async fn connect(
        &self,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, Box<dyn std::error::Error + Send + Sync>> {
        let connector = TlsConnector::from(Arc::clone(&self.config));
        let stream = connector.connect(self.name.clone(), stream).await?;
        if stream.get_ref().1.alpn_protocol() == Some(HTTP_2) { Ok(stream) } else { Err(NoHttp2.into()) }
    }
}

/// Whom to trust: the file's certificates, or the machine's.
fn roots(ca: Option<&Path>) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let trusted = match ca {
        Some(file) => certificates("tls.ca", file)?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    let (added, _) = roots.add_parsable_certificates(trusted);
    match (added, ca) {
        (0, Some(file)) => Err(format!("tls.ca: {}: holds no certificate", file.display())),
        (0, None) => Err("tls.ca: is needed: this machine has no root certificates".into()),
        _ => Ok(roots),
    }
}

fn certificates(key: &str, file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = || CertificateDer::pem_file_iter(file)?.collect::<Result<_, _>>();
    read().map_err(|error| unusable(key, file, error))
}

fn unusable(key: &str, file: &Path, error: impl std::fmt::Display) -> String {
    format!("{key}: {}: {error}", file.display())
}
