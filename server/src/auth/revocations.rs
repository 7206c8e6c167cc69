//! The tokens that are refused though they have not expired.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::identity::Identity;
use crate::error::{Error, Result};
use crate::model::{Revocation, RevocationTarget, Time};

/// Expired ones are looked for when the set has grown to twice what was left, and by so many at least.
const GROWTH: usize = 1024;

/// A cheap handle to the revocations in force.
#[derive(Debug, Clone, Default)]
pub struct Revocations {
    /// Held for a moment and never across an await.
    shared: Arc<RwLock<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    tokens: HashMap<String, Time>,
    /// When the subject was revoked, and until when that counts.
    subjects: HashMap<String, (Time, Time)>,
    /// Entries left when expired ones were last looked for.
    kept: usize,
}

impl Revocations {
    /// From now on these tokens are refused; false when all were before.
    pub fn add(&self, revocations: &[Revocation]) -> bool {
        let mut known = self.shared.write().unwrap_or_else(PoisonError::into_inner);
        let mut added = false;
        for revocation in revocations {
            added |= known.add(revocation);
        }
        known.forget_expired();
        added
    }

    /// Admits a caller whose token has not been revoked.
    ///
    /// # Errors
    /// `TokenRevoked`.
    pub fn check(&self, identity: &Identity) -> Result<()> {
        let known = self.shared.read().unwrap_or_else(PoisonError::into_inner);
        let by_subject = known.subjects.get(&identity.subject);
        // A token counts in seconds.
        let revoked = known.tokens.contains_key(&identity.token)
            || by_subject.is_some_and(|(time, _)| identity.issued.seconds() <= time.seconds());
        if revoked { Err(Error::TokenRevoked) } else { Ok(()) }
    }
}

impl Known {
    fn add(&mut self, revocation: &Revocation) -> bool {
        let Revocation { target, time, expires } = revocation;
        match target {
            RevocationTarget::Token(id) => self.tokens.insert(id.clone(), *expires) != Some(*expires),
            RevocationTarget::Subject(subject) => {
                let entry = self.subjects.entry(subject.clone()).or_insert((Time::default(), *expires));
                let later = (entry.0.max(*time), entry.1.max(*expires));
                std::mem::replace(entry, later) != later
            }
        }
    }

    fn forget_expired(&mut self) {
        if self.len() < 2 * self.kept + GROWTH {
            return;
        }
        let now = Time::now();
        self.tokens.retain(|_, expires| *expires > now);
        self.subjects.retain(|_, (_, expires)| *expires > now);
        self.kept = self.len();
    }

    fn len(&self) -> usize {
        self.tokens.len() + self.subjects.len()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::Role;

    fn identity(subject: &str, token: &str, issued: Time) -> Identity {
        Identity {
            subject: subject.to_owned(),
            name: String::new(),
            role: Role::User,
            expires: issued,
            token: token.to_owned(),
            issued,
            topics: Vec::new(),
        }
    }

    #[test]
    fn a_token_is_revoked_alone_and_a_subject_up_to_a_second() {
        let at = |seconds: i64| Time::from_micros(seconds * 1_000_000);
        let revocations = Revocations::default();
        let token = Revocation::of_token("a".to_owned(), at(50), at(60));
        let subject = Revocation::of_subject("7".to_owned(), Time::from_micros(50_500_000), at(60));
        assert!(revocations.add(&[token.clone(), subject.clone()]));
        assert!(!revocations.add(&[token, subject]), "known already");
        for (subject, token, issued, revoked) in [
            ("1", "a", 99, true),
            ("1", "b", 10, false),
            ("7", "b", 10, true),
            ("7", "b", 50, true),
            ("7", "b", 51, false),
        ] {
            let found = revocations.check(&identity(subject, token, at(issued)));
            assert_eq!(found.is_err(), revoked, "{subject} {token} {issued}");
        }
    }

    #[test]
    fn what_has_expired_takes_no_memory() {
        let revocations = Revocations::default();
        let now = Time::now();
        let lasting = Revocation::of_token("lasting".to_owned(), now, now);
        revocations.add(std::slice::from_ref(&lasting));
        let past = now.minus(Duration::from_secs(3600));
        for n in 0..10 * GROWTH {
            revocations.add(&[Revocation::of_token(n.to_string(), past, past)]);
        }
        let known = revocations.shared.read().unwrap();
        assert!(known.len() < 2 * GROWTH, "{}", known.len());
        assert!(known.tokens.contains_key("lasting"));
    }
}
