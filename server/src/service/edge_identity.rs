//! EdgeIdentityService: what an edge needs to verify our tokens.

use futures_util::future::ready;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt, Stream, StreamExt, stream};
use lastmile_proto::edge::v1;
use tokio::sync::watch;
use tonic::{Code, Request, Response, Status, async_trait};
use v1::edge_identity_service_server::EdgeIdentityService;

use super::call::caller;
use super::stream::{Streams, Watch};
use crate::auth::{AUDIENCE, ISSUER, Tokens};
use crate::domain::{Revision, RevocationLog, read_revocation, revocation_message};
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
        let later = with_access_changes(later.boxed(), self.streams.access_changes());
        Ok(Response::new(in_force.chain(later).boxed()))
    }
}

type Told = Result<v1::WatchRevocationsResponse, Status>;

/// Tells between the messages when rules have changed; ends with them.
fn with_access_changes(
    messages: BoxStream<'static, Told>,
    changes: watch::Receiver<Revision>,
) -> impl Stream<Item = Told> {
    let known = changes.borrow().rules;
    stream::unfold((messages, changes, known), |(mut messages, mut changes, mut known)| async move {
        let told = tokio::select! {
            message = messages.next() => message?,
            rules = rules_changed(&mut changes, known) => {
                known = rules;
                Ok(v1::WatchRevocationsResponse { access_changed: true, ..Default::default() })
            }
        };
        Some((told, (messages, changes, known)))
    })
}

async fn rules_changed(changes: &mut watch::Receiver<Revision>, known: u64) -> u64 {
    let changed = changes.wait_for(|revision| revision.rules != known).await.map(|revision| revision.rules);
    match changed {
        Ok(rules) => rules,
        // Nobody can change them any more.
        Err(_) => std::future::pending().await,
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
