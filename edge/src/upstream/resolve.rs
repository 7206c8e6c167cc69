//! Looks names up.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// The addresses of a name, when they are known.
pub type Addresses = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

type Lookup = dyn Fn(&str, u16) -> Addresses + Send + Sync;

/// How names become addresses.
#[derive(Clone)]
pub struct Names {
    lookup: Arc<Lookup>,
    /// How often a name is looked up again.
    pub every: Duration,
}

impl std::fmt::Debug for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Names").field("every", &self.every).finish_non_exhaustive()
    }
}

impl Names {
    /// `lookup` takes host and port.
    pub fn new(lookup: impl Fn(&str, u16) -> Addresses + Send + Sync + 'static, every: Duration) -> Self {
        Self { lookup: Arc::new(lookup), every }
    }

    /// The machine's own resolver. It does not tell how long an answer holds; 10 s follows a deployment.
    pub fn system() -> Self {
        let lookup = |host: &str, port| -> Addresses {
            let host = host.to_owned();
            Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
        };
        Self::new(lookup, Duration::from_secs(10))
    }

    pub(super) fn look_up(&self, host: &str, port: u16) -> Addresses {
        (self.lookup)(host, port)
    }
}
