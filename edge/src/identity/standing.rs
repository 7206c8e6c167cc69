//! How long a stream may go on for its caller: until the token is over.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::{Instant, sleep_until};

use crate::error::{Code, Error};
use crate::reasons::CloseReason;

use super::claims::Claims;
use super::revocations::Revocations;

/// How long a stream outlives its token, so that clients have time to renew it.
const EXPIRY_GRACE: Duration = Duration::from_secs(25);

/// What a stream asks now and then; the default is that of nobody, and never over.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    ends_at: Option<Instant>,
    token: Option<(Arc<Claims>, Revocations)>,
}

/// Why a stream may not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    Expired,
    Revoked,
}

impl Standing {
    pub fn of(claims: Arc<Claims>, revocations: Revocations) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let left = Duration::from_secs(claims.exp).saturating_sub(now);
        Self {
            // Beyond what a clock can tell is for ever.
            ends_at: Instant::now().checked_add(left.saturating_add(EXPIRY_GRACE)),
            token: Some((claims, revocations)),
        }
    }

    /// Over at a moment, and not before.
    pub fn until(moment: Instant) -> Self {
        Self { ends_at: Some(moment), token: None }
    }

    /// When it is over at the latest.
    pub fn ends_at(&self) -> Option<Instant> {
        self.ends_at
    }

    /// Whether it is over now.
    pub fn check(&self) -> Option<Over> {
        if self.token.as_ref().is_some_and(|(claims, revocations)| revocations.cover(claims)) {
            return Some(Over::Revoked);
        }
        self.ends_at.is_some_and(|at| at <= Instant::now()).then_some(Over::Expired)
    }

    /// Completes when it is over. Cancel-safe: nothing is missed when it is asked for again.
    pub async fn over(&self) -> Over {
        tokio::select! {
            biased;
            () = self.revoked() => Over::Revoked,
            () = self.expired() => Over::Expired,
        }
    }

    async fn expired(&self) {
        match self.ends_at {
            Some(at) => sleep_until(at).await,
            None => std::future::pending().await,
        }
    }

    async fn revoked(&self) {
        if let Some((claims, revocations)) = &self.token {
            // Before the first look, or what comes between would be missed.
            let mut news = revocations.news();
            while !revocations.cover(claims) {
                if news.changed().await.is_err() {
                    return std::future::pending().await;
                }
            }
        } else {
            std::future::pending::<()>().await;
        }
    }
}

impl Over {
    /// Of a stream that a backend ended for the same reason.
    pub fn of(error: &Error) -> Option<Self> {
        match (error.code(), error.reason_text()) {
            (Code::Unauthenticated, "TOKEN_EXPIRED") => Some(Self::Expired),
            (Code::Unauthenticated, "TOKEN_REVOKED") => Some(Self::Revoked),
            _ => None,
        }
    }

    /// What a call is told that it ends.
    pub fn error(self) -> Error {
        let (reason, message) = match self {
            Self::Expired => {
                ("TOKEN_EXPIRED", "The token of this stream has expired. Call again with a new one.")
            }
            Self::Revoked => ("TOKEN_REVOKED", "The token of this stream has been revoked. Log in again."),
        };
        Error::new(Code::Unauthenticated, reason, message)
    }

    /// What a stream is told that it ends.
    pub fn reason(self) -> CloseReason {
        match self {
            Self::Expired => CloseReason::TokenExpired,
            Self::Revoked => CloseReason::TokenRevoked,
        }
    }
}

#[cfg(test)]
mod tests {
    use lastmile_proto::edge::v1::WatchRevocationsResponse;
    use lastmile_proto::edge::v1::watch_revocations_response::Target;
    use tokio::time::timeout;

    use super::*;

    fn standing(lifetime: u64, revocations: &Revocations) -> Standing {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let claims =
            Claims { sub: "7".into(), exp: now + lifetime, jti: Some("a".into()), ..Claims::default() };
        Standing::of(Arc::new(claims), revocations.clone())
    }

    fn revoke(revocations: &Revocations, id: &str) {
        let target = Some(Target::TokenId(id.into()));
        revocations.add(WatchRevocationsResponse { target, ..WatchRevocationsResponse::default() });
        revocations.tell();
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_outlives_its_token_a_while() {
        let begun = Instant::now();
        assert_eq!(standing(60, &Revocations::default()).over().await, Over::Expired);
        let lived = begun.elapsed().as_secs();
        assert!((84..=86).contains(&lived), "{lived} s");
        let over = timeout(Duration::from_secs(1 << 30), Standing::default().over()).await;
        assert!(over.is_err(), "nobody's is never over");
        let _ = standing(u64::MAX - (1 << 40), &Revocations::default());
    }

    #[tokio::test(start_paused = true)]
    async fn only_the_revoked_one_is_over_at_once() {
        let revocations = Revocations::default();
        let revoked = standing(60, &revocations);
        let mut over = std::pin::pin!(revoked.over());
        assert!(timeout(Duration::from_secs(1), &mut over).await.is_err());
        revoke(&revocations, "b");
        assert!(timeout(Duration::from_secs(1), &mut over).await.is_err(), "it is another's");
        assert_eq!(revoked.check(), None);
        revoke(&revocations, "a");
        assert_eq!(timeout(Duration::ZERO, &mut over).await, Ok(Over::Revoked));
        assert_eq!(revoked.check(), Some(Over::Revoked));
        assert_eq!(standing(60, &revocations).over().await, Over::Revoked, "it was before it was asked");
    }
}
