//! Follows the revocations of the backend that issues the tokens (EdgeIdentityService).
//!
//! While the backend is away, what it told before goes on to count. It tells all that are in force each time that it is
//! called, so nothing is missed in the end.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::uri::PathAndQuery;
use lastmile_proto::edge::v1::{WatchRevocationsRequest, WatchRevocationsResponse};
use opentelemetry::Context;
use opentelemetry::context::FutureExt;
use prost::Message;
use rand::Rng;
use tokio::time::{Instant, sleep, sleep_until};

use crate::error::{Code, Error, Result};
use crate::identity::Revocations;
use crate::upstream::{Call, Messages, Upstream};

pub const METHOD: &str = "lastmile.edge.v1.EdgeIdentityService/WatchRevocations";
const PATH: &str = "/lastmile.edge.v1.EdgeIdentityService/WatchRevocations";
/// Open streams ask again at once, but not more often than this: a burst of revocations wakes them once.
const TELL_PAUSE: Duration = Duration::from_millis(250);
const SHORTEST_BACKOFF: Duration = Duration::from_millis(250);
/// Short: until it is heard again, what is revoked goes on.
const LONGEST_BACKOFF: Duration = Duration::from_secs(1);
/// When a backend that issues tokens is asked again that cannot tell what it revokes.
const NOT_OFFERED: Duration = Duration::from_secs(60);

/// Follows until the stream breaks, and begins again. Never ends.
pub async fn follow(upstream: &Upstream, revocations: &Revocations) {
    let mut backoff = Backoff::default();
    let mut is_lost = false;
    loop {
        let begun = Instant::now();
        let followed = follow_once(upstream, revocations, || {
            if std::mem::take(&mut is_lost) {
                tracing::info!("revocations are heard again");
            }
        });
        // It belongs to no request.
        let broken = followed.with_context(Context::new()).await;
        let is_offered = !broken.as_ref().is_err_and(|error| error.code() == Code::Unimplemented);
        if !std::mem::replace(&mut is_lost, true) {
            let error = broken.err().map(|error| error.to_string()).unwrap_or_default();
            tracing::warn!(error, "revocations are not heard just now; those heard before go on to count");
        }
        if begun.elapsed() > LONGEST_BACKOFF {
            backoff = Backoff::default();
        }
        sleep(if is_offered { backoff.next() } else { NOT_OFFERED }).await;
    }
}

/// Follows one stream to its end; `heard` is called for each message.
async fn follow_once(upstream: &Upstream, revocations: &Revocations, mut heard: impl FnMut()) -> Result<()> {
    let mut messages = open(upstream).await?;
    let (mut tell_at, mut is_news) = (Instant::now(), false);
    // Nobody told of what was changed while nobody listened.
    let (mut is_access_changed, mut is_first) = (false, true);
    let broken = loop {
        let message = tokio::select! {
            message = messages.next() => message,
            () = sleep_until(tell_at), if is_news || is_access_changed => {
                if std::mem::take(&mut is_news) {
                    revocations.tell();
                }
                if std::mem::take(&mut is_access_changed) {
                    revocations.change_access();
                }
                tell_at = Instant::now() + TELL_PAUSE;
                continue;
            }
        };
        match message.and_then(|message| message.map(read).transpose()) {
            Ok(Some(revocation)) => {
                is_access_changed |= revocation.access_changed | std::mem::take(&mut is_first);
                is_news |= revocations.add(revocation);
                heard();
            }
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    if is_news {
        revocations.tell();
    }
    if is_access_changed {
        revocations.change_access();
    }
    broken
}

async fn open(upstream: &Upstream) -> Result<Messages> {
    let call = Call {
        path: PathAndQuery::from_static(PATH),
        metadata: HeaderMap::new(),
        deadline: None,
        plan: None,
        max_message: 64 * 1024,
    };
    upstream.server_streaming(call, WatchRevocationsRequest {}.encode_to_vec().into()).await
}

fn read(message: Bytes) -> Result<WatchRevocationsResponse> {
    WatchRevocationsResponse::decode(message).map_err(Error::internal)
}

/// Full jitter: edges that lost a backend together come back spread over the whole time.
struct Backoff(Duration);

impl Default for Backoff {
    fn default() -> Self {
        Self(SHORTEST_BACKOFF)
    }
}

impl Backoff {
    fn next(&mut self) -> Duration {
        let longest = self.0;
        self.0 = (longest * 2).min(LONGEST_BACKOFF);
        longest.mul_f64(rand::rng().random_range(0.0..=1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_longer_each_time_up_to_a_limit() {
        let mut backoff = Backoff::default();
        for longest in [0.25, 0.5, 1.0, 1.0] {
            assert_eq!(backoff.0.as_secs_f64(), longest);
            assert!(backoff.next().as_secs_f64() <= longest);
        }
    }
}
