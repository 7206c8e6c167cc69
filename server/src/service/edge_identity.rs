//! EdgeIdentityService: what an edge needs to verify our tokens.

use lastmile_proto::edge::v1;
use tonic::{Request, Response, Status, async_trait};
use v1::edge_identity_service_server::EdgeIdentityService;

use crate::auth::{AUDIENCE, ISSUER, Tokens};
use crate::error::Error;

/// How long an edge may keep the keys, in seconds.
const MAX_AGE: i64 = 300;

/// Hands out the public keys.
#[derive(Debug, Clone)]
pub struct EdgeIdentityApi {
    tokens: Tokens,
}

impl EdgeIdentityApi {
    /// The service over the keys.
    pub fn new(tokens: Tokens) -> Self {
        Self { tokens }
    }
}

#[async_trait]
impl EdgeIdentityService for EdgeIdentityApi {
    async fn get_jwks(
        &self,
        _: Request<v1::GetJwksRequest>,
    ) -> Result<Response<v1::GetJwksResponse>, Status> {
        Ok(Response::new(v1::GetJwksResponse {
            jwks: self.tokens.jwks()?,
            issuer: ISSUER.to_owned(),
            audience: AUDIENCE.to_owned(),
            max_age: Some(prost_types::Duration { seconds: MAX_AGE, nanos: 0 }),
        }))
    }

    type WatchRevocationsStream = tokio_stream::Empty<Result<v1::WatchRevocationsResponse, Status>>;

    async fn watch_revocations(
        &self,
        _: Request<v1::WatchRevocationsRequest>,
    ) -> Result<Response<Self::WatchRevocationsStream>, Status> {
        Err(Error::Unimplemented("lastmile.edge.v1.EdgeIdentityService/WatchRevocations").into())
    }
}
