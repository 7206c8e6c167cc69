//! Backends behind TLS: whom the edge trusts, and what it shows of itself.
//!
//! The certificates in `tls/` are of an authority whose key is gone, for the name `shop.test`, until 2126.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use lastmile_edge::config::{TlsConfig, UpstreamConfig};
use lastmile_edge::upstream::Upstream;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};
use tower::service_fn;

use crate::host::{call, saying, soon};

const SAID: &[u8] = b"\x0a\x04bolt";

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/edge/tls").join(name)
}

/// Answers over TLS to whoever shows a certificate of the authority; gives its port.
async fn start(protocol: &[u8]) -> u16 {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(file("ca.pem")).expect("a certificate")).expect("an authority");
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let own = vec![CertificateDer::from_pem_file(file("server.pem")).expect("a certificate")];
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_client_cert_verifier(verifier.build().expect("a verifier"))
        .with_single_cert(own, PrivateKeyDer::from_pem_file(file("server.key")).expect("a key"))
        .expect("a pair");
    config.alpn_protocols = vec![protocol.to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(stream) = acceptor.accept(stream).await else { continue };
            let answer = saying(SAID);
            let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
                let answer = answer(request.map(tonic::body::Body::new));
                async move { Ok::<_, std::convert::Infallible>(answer.await) }
            });
            let server = http2::Builder::new(TokioExecutor::new());
            tokio::spawn(server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service)));
        }
    });
    port
}

async fn ask(port: u16, tls: TlsConfig) -> String {
    let url = vec![format!("https://127.0.0.1:{port}")];
    let upstream = Upstream::connect(&[UpstreamConfig { url, tls, ..UpstreamConfig::default() }]);
    let upstream = upstream.expect("files that can be read");
    match soon("an outcome", upstream.unary(call("/shop.v1.Shop/GetItem"), Bytes::new())).await {
        Ok(reply) => format!("{:?}", reply.message),
        Err(error) => error.reason_text().to_owned(),
    }
}

#[tokio::test]
async fn both_sides_are_who_they_say() {
    let tls = |ca: &str, name: &str, own: Option<&str>| TlsConfig {
        ca: Some(file(ca)),
        server_name: Some(name.into()),
        cert: own.map(|own| file(&format!("{own}.pem"))),
        key: own.map(|own| file(&format!("{own}.key"))),
    };
    let (good, refused) = (format!("{:?}", Bytes::from_static(SAID)), "UPSTREAM_UNAVAILABLE".to_owned());
    let port = start(b"h2").await;
    for (tls, expected) in [
        (tls("ca.pem", "shop.test", Some("client")), &good),
        (tls("ca.pem", "other.test", Some("client")), &refused),
        (tls("client.pem", "shop.test", Some("client")), &refused),
        (tls("ca.pem", "shop.test", None), &refused),
    ] {
        assert_eq!(ask(port, tls.clone()).await, *expected, "{tls:?}");
    }
    // Somebody who is trusted but does not speak HTTP/2.
    let port = start(b"http/1.1").await;
    assert_eq!(ask(port, tls("ca.pem", "shop.test", Some("client"))).await, refused);
}
