//! EdgeIdentityService: what an edge needs to verify our tokens.

use futures_util::future::ready;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt, StreamExt, stream};
use lastmile_proto::edge::v1;
use tonic::{Code, Request, Response, Status, async_trait};
use v1::edge_identity_service_server::EdgeIdentityService;

use super::call::caller;
use super::stream::{Streams, Watch};
use crate::auth::{AUDIENCE, ISSUER, Tokens};
use crate::domain::{RevocationLog, read_revocation, revocation_message};
use crate::error::{Error, Result};
use crate::log::Delivery;

/// How long an edge may keep the keys, in seconds.
const MAX_AGE: i64 = 300;

/// Hands out the public keys and what is revoked. Both are open to all: they hold no secrets, and an edge may have no
/// credential.
#[derive(Debug, Clone)]
pub struct EdgeIdentityApi {
    tokens: Tokens,
    revocations: RevocationLog,
    streams: Streams,
}

impl EdgeIdentityApi {
    /// The service over keys and revocations.
    pub fn new(tokens: Tokens, revocations: RevocationLog, streams: Streams) -> Self {
        Self { tokens, revocations, streams }
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

    type WatchRevocationsStream = BoxStream<'static, Result<v1::WatchRevocationsResponse, Status>>;

    async fn watch_revocations(
        &self,
        request: Request<v1::WatchRevocationsRequest>,
    ) -> Result<Response<Self::WatchRevocationsStream>, Status> {
        let caller = caller(&request);
        let (revocations, tail) = self.revocations.watch().await?;
        let in_force = stream::iter(revocations).map(|revocation| Ok(revocation_message(&revocation)));
        let watch = Watch::new(caller, || ready(Ok(())).boxed());
        let later = self.streams.deliver(tail, watch, |delivery| render(&delivery));
        let later = later.filter_map(|message| ready(message.map_err(fell_behind).transpose()));
        Ok(Response::new(in_force.chain(later).boxed()))
    }
}

/// `None` for events that tell of something else.
fn render(delivery: &Delivery) -> Result<Option<v1::WatchRevocationsResponse>> {
    match delivery {
        Delivery::Position(_) => Ok(Some(v1::WatchRevocationsResponse::default())),
        Delivery::Event(event) => Ok(read_revocation(event)?.as_ref().map(revocation_message)),
    }
}

/// The caller has given no cursor that could be too old.
fn fell_behind(status: Status) -> Status {
    if status.code() == Code::OutOfRange { Error::FellBehind.into() } else { status }
}
