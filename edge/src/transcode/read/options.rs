//! What requests are read by.

use crate::config::rest::{Compat, RestConfig, Unknown};

/// How strictly requests are read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// Fields in JSON, and names of enum values, that the descriptors do not have.
    pub unknown_fields: Unknown,
    /// Query parameters that the message does not have.
    pub unknown_query: Unknown,
    /// `name[key]=value` in a query fills the map `name`.
    pub query_maps: bool,
}

impl From<&RestConfig> for ReadOptions {
    fn from(config: &RestConfig) -> Self {
        // grpc-gateway passes over parameters that it does not know.
        let is_gateway = config.compat == Compat::GrpcGateway;
        Self {
            unknown_fields: config.unknown_fields,
            unknown_query: if is_gateway { Unknown::Ignore } else { config.unknown_query },
            query_maps: config.query_maps,
        }
    }
}

impl ReadOptions {
    pub(super) fn ignores_unknown_fields(self) -> bool {
        self.unknown_fields == Unknown::Ignore
    }
}
