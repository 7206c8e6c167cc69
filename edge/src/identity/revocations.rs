//! The tokens that are refused though they have not expired: held in memory until they would have.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lastmile_proto::edge::v1::WatchRevocationsResponse;
use lastmile_proto::edge::v1::watch_revocations_response::Target;
use prost_types::Timestamp;
use tokio::sync::watch;

use super::claims::Claims;

/// What has expired is looked for when there is twice as much as was left, and by so many at least.
const GROWTH: usize = 1024;
/// How long a revocation counts that does not say until when.
const NO_END: Duration = Duration::from_secs(30 * 24 * 3600);

/// A cheap handle to the revocations in force.
#[derive(Debug, Clone, Default)]
pub struct Revocations(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// Held for a moment and never across an await.
    known: RwLock<Known>,
    /// Counts how often there was something new.
    news: watch::Sender<u64>,
    /// Counts how often somebody may have lost a right, without a token being revoked.
    access: watch::Sender<u64>,
}

/// Times are seconds since 1970, as in tokens.
#[derive(Debug, Default)]
struct Known {
    /// Until when each counts.
    tokens: HashMap<String, u64>,
    /// When the subject was revoked, and until when that counts.
    subjects: HashMap<String, (u64, u64)>,
    /// Entries left when expired ones were last looked for.
    kept: usize,
}

impl Revocations {
    /// From now on these tokens are refused; true when some of them were not before. Open streams hear of it by
    /// [`tell`](Self::tell).
    pub fn add(&self, revocation: WatchRevocationsResponse) -> bool {
        let mut known = self.0.known.write().unwrap_or_else(PoisonError::into_inner);
        let added = known.add(revocation, now());
        if known.len() >= 2 * known.kept + GROWTH {
            known.forget_expired(now());
        }
        added
    }

    /// Has open streams ask again. All of them are woken, so it is not for each of many revocations.
    pub fn tell(&self) {
        self.0.news.send_modify(|count| *count += 1);
    }

    /// Says that somebody may have lost a right: whoever reads a shared stream is to be admitted again.
    pub fn change_access(&self) {
        self.0.access.send_modify(|count| *count += 1);
    }

    /// Changes with every [`change_access`](Self::change_access).
    pub fn access_changes(&self) -> watch::Receiver<u64> {
        self.0.access.subscribe()
    }

    /// Changes with every [`tell`](Self::tell).
    pub fn news(&self) -> watch::Receiver<u64> {
        self.0.news.subscribe()
    }

    /// Whether a token with these claims is revoked.
    pub fn cover(&self, claims: &Claims) -> bool {
        self.0.known.read().unwrap_or_else(PoisonError::into_inner).cover(claims)
    }

    /// Forgets those of tokens that have expired.
    pub fn tidy(&self) {
        self.0.known.write().unwrap_or_else(PoisonError::into_inner).forget_expired(now());
    }
}

impl Known {
    fn add(&mut self, revocation: WatchRevocationsResponse, now: u64) -> bool {
        let WatchRevocationsResponse { target, time, expire_time, .. } = revocation;
        let until = expire_time.map_or(now + NO_END.as_secs(), seconds);
        match target {
            Some(Target::TokenId(id)) => self.tokens.insert(id, until).is_none(),
            Some(Target::Subject(subject)) => {
                let time = time.map_or(now, seconds);
                let known = self.subjects.entry(subject).or_default();
                let later = (known.0.max(time), known.1.max(until));
                std::mem::replace(known, later).0 != later.0
            }
            None => false,
        }
    }

    fn cover(&self, claims: &Claims) -> bool {
        let by_token = claims.jti.as_ref().is_some_and(|id| self.tokens.contains_key(id));
        // Of a token that does not tell its age, the worst is assumed.
        let age = claims.iat.unwrap_or_default();
        by_token || self.subjects.get(&claims.sub).is_some_and(|(time, _)| age <= *time)
    }

    fn forget_expired(&mut self, now: u64) {
        self.tokens.retain(|_, until| *until > now);
        self.subjects.retain(|_, (_, until)| *until > now);
        self.tokens.shrink_to(2 * self.tokens.len());
        self.subjects.shrink_to(2 * self.subjects.len());
        self.kept = self.len();
    }

    fn len(&self) -> usize {
        self.tokens.len() + self.subjects.len()
    }
}

fn seconds(time: Timestamp) -> u64 {
    u64::try_from(time.seconds).unwrap_or_default()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn revocation(target: Target, time: u64, until: u64) -> WatchRevocationsResponse {
        let at = |seconds: u64| Some(Timestamp { seconds: seconds as i64, nanos: 500_000_000 });
        WatchRevocationsResponse {
            target: Some(target),
            time: at(time),
            expire_time: at(until),
            access_changed: false,
        }
    }

    fn token(id: &str, until: u64) -> WatchRevocationsResponse {
        revocation(Target::TokenId(id.into()), 50, until)
    }

    fn claims(sub: &str, jti: Option<&str>, iat: Option<u64>) -> Claims {
        Claims { sub: sub.into(), jti: jti.map(str::to_owned), iat, ..Claims::default() }
    }

    #[test]
    fn a_token_is_revoked_alone_and_a_subject_up_to_a_second() {
        let (revocations, later) = (Revocations::default(), now() + 60);
        let subject = |time| revocation(Target::Subject("7".into()), time, later);
        assert!(revocations.add(token("a", later)));
        assert!(revocations.add(subject(50)));
        assert!(!revocations.add(token("a", later)) && !revocations.add(subject(50)), "known already");
        assert!(!revocations.add(WatchRevocationsResponse::default()), "nothing is revoked by it");
        assert!(!revocations.add(subject(40)), "an older one takes nothing back");
        for (sub, jti, iat, expected) in [
            ("1", Some("a"), Some(99), true),
            ("1", Some("b"), Some(10), false),
            ("1", None, None, false),
            ("7", Some("b"), Some(10), true),
            ("7", Some("b"), Some(50), true),
            ("7", Some("b"), Some(51), false),
            ("7", None, None, true),
        ] {
            assert_eq!(revocations.cover(&claims(sub, jti, iat)), expected, "{sub} {jti:?} {iat:?}");
        }
        assert!(revocations.add(subject(51)));
        assert!(revocations.cover(&claims("7", None, Some(51))));
    }

    #[test]
    fn what_has_expired_takes_no_memory() {
        let (revocations, past) = (Revocations::default(), now() - 3600);
        revocations.add(token("lasting", now() + 3600));
        let endless = WatchRevocationsResponse { expire_time: None, ..token("endless", 0) };
        revocations.add(endless);
        for n in 0..10 * GROWTH {
            revocations.add(token(&n.to_string(), past));
        }
        let len = || revocations.0.known.read().unwrap().len();
        assert!(len() < 2 * GROWTH, "{}", len());
        revocations.tidy();
        assert_eq!(len(), 2);
        for id in ["lasting", "endless"] {
            assert!(revocations.cover(&claims("1", Some(id), None)), "{id}");
        }
    }
}
