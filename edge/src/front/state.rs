//! What every request handler needs, behind one handle.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use http::HeaderName;
use tokio_util::sync::CancellationToken;

use crate::config::EdgeConfig;
use crate::layer::{CallerLimit, Keys};
use crate::schema::Schema;
use crate::upstream::Upstream;

/// Shared by all requests.
#[derive(Debug)]
pub struct Front {
    pub config: EdgeConfig,
    /// `None` until the backend has been heard of; swapped as a whole.
    pub schema: ArcSwapOption<Schema>,
    pub upstream: Upstream,
    pub keys: Keys,
    pub caller_limit: CallerLimit,
    pub request_headers: Vec<HeaderName>,
    pub response_headers: Vec<HeaderName>,
    /// Cancelled when the edge shuts down.
    pub drain: CancellationToken,
    /// Where the console tells people that gRPC answers.
    pub grpc: Option<String>,
}

/// A handle to it.
pub type Shared = Arc<Front>;
