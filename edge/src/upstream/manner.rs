//! How the calls to one backend are made, whichever of its processes gets them.

use http::{HeaderMap, HeaderValue};

use crate::config::BreakerConfig;

use super::news::News;

/// Marks, in the extensions of a request, a call that the edge makes for itself and not for a caller. Nothing that comes
/// from a network can carry it.
#[derive(Debug, Clone, Copy)]
pub struct ByEdge;

/// What the endpoints of a backend have in common.
#[derive(Debug)]
pub(super) struct Manner {
    /// The backend's name.
    pub(super) name: String,
    /// Metadata of every call.
    pub(super) headers: HeaderMap,
    /// The edge's own `authorization`, for streams that callers share.
    pub(super) credential: Option<HeaderValue>,
    /// Calls that one connection carries at once.
    pub(super) max_streams: usize,
    pub(super) breaker: BreakerConfig,
    pub(super) news: News,
}
