//! What every request handler needs, behind one handle.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use http::HeaderName;

use crate::config::EdgeConfig;
use crate::drain::Drain;
use crate::error::{Code, Error, Result};
use crate::hub::Hub;
use crate::layer::{CallerLimit, Keys, StreamLimit, Tickets};
use crate::schema::Schema;
use crate::upstream::Upstream;

use super::document::Document;
use super::lobby::Sessions;

/// Shared by all requests.
#[derive(Debug)]
pub struct Front {
    pub config: EdgeConfig,
    /// `None` until the backend has been heard of; swapped as a whole.
    pub schema: ArcSwapOption<Schema>,
    /// The OpenAPI document of the schema.
    pub document: Document,
    pub upstream: Upstream,
    /// The streams that are open.
    pub hub: Hub,
    pub keys: Keys,
    pub tickets: Tickets,
    pub caller_limit: CallerLimit,
    pub stream_limit: StreamLimit,
    pub sessions: Arc<Sessions>,
    pub request_headers: Vec<HeaderName>,
    pub response_headers: Vec<HeaderName>,
    pub drain: Drain,
    /// Where the console tells people that gRPC answers.
    pub grpc: Option<String>,
}

/// A handle to it.
pub type Shared = Arc<Front>;

impl Front {
    /// # Errors
    /// UNAVAILABLE until the backend has been heard of.
    pub fn loaded(&self) -> Result<Arc<Schema>> {
        let message = "The backend has not been reached yet. Try again in a moment.";
        let not_ready = || Error::new(Code::Unavailable, "SCHEMA_UNAVAILABLE", message);
        self.schema.load_full().ok_or_else(|| not_ready().retry_after(Duration::from_secs(1)))
    }
}
