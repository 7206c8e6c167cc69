//! Tells every process which tokens are revoked: with the change that revokes them, and from the log.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::message::{read_revocation, revocation_event, takes_rights};
use super::standing::Standing;
use crate::error::{Error, Result};
use crate::log::{Delivery, Log, Start, Tail};
use crate::model::{ACCESS_TOPIC, NewEvent, Revocation, Time};
use crate::store::{Change, Changed, RevocationList, Store, Write};
use crate::telemetry::current_traceparent;

/// How long to wait when the store cannot be read.
const PAUSE: Duration = Duration::from_secs(1);

/// Makes a change and appends the events of `tell`; when it answers, the tokens that it revokes are refused.
pub(super) async fn commit(
    store: &dyn Store,
    standing: &Standing,
    change: Change,
    tell: impl FnOnce(&Changed) -> Vec<NewEvent> + Send + 'static,
) -> Result<Changed> {
    let traceparent = current_traceparent();
    let write = Write::telling(change, move |changed| {
        let revoked = changed.revoked().iter();
        tell(changed).into_iter().chain(revoked.map(|each| revocation_event(each, &traceparent))).collect()
    });
    let changed = store.commit(write).await?.changed;
    let changed = changed.ok_or_else(|| Error::internal("the store tells nothing of a change"))?;
    standing.revoke(changed.revoked());
    Ok(changed)
}

/// Follows what is revoked, in this process or another one.
#[derive(Debug, Clone)]
pub struct RevocationLog {
    store: Arc<dyn Store>,
    log: Log,
    standing: Standing,
}

impl RevocationLog {
    /// The revocations of a store.
    pub fn new(store: Arc<dyn Store>, log: Log, standing: Standing) -> Self {
        Self { store, log, standing }
    }

    /// The revocations in force, oldest first, and the tail that tells of all later ones.
    ///
    /// # Errors
    /// Only by a fault of the store.
    pub async fn watch(&self) -> Result<(Vec<Revocation>, Tail)> {
        let RevocationList { revocations, position } = self.store.revocations(Time::now()).await?;
        let start = Start::Position(position);
        let tail = Tail::open(self.log.clone(), Arc::new([ACCESS_TOPIC]), start).await?;
        Ok((revocations, tail))
    }

    /// Refuses the tokens that are revoked already; the tail is for [`Self::follow`].
    ///
    /// # Errors
    /// Only by a fault of the store.
    pub async fn load(&self) -> Result<Tail> {
        let (revocations, tail) = self.watch().await?;
        self.standing.revoke(&revocations);
        Ok(tail)
    }

    /// Does what every event of the access topic asks for, whichever process wrote it, until dropped.
    pub async fn follow(self, mut tail: Tail) {
        loop {
            match tail.next().await.and_then(|delivery| self.apply(&delivery)) {
                Ok(()) => {}
                Err(error) => {
                    tracing::warn!(%error, "the revocations cannot be followed and are loaded again");
                    tail = self.load_again().await;
                }
            }
        }
    }

    fn apply(&self, delivery: &Delivery) -> Result<()> {
        let Delivery::Event(event) = delivery else {
            return Ok(());
        };
        match read_revocation(event)? {
            Some(revocation) => self.standing.revoke(&[revocation]),
            None if takes_rights(event) => self.standing.change(),
            None => {}
        }
        Ok(())
    }

    async fn load_again(&self) -> Tail {
        loop {
            sleep(PAUSE).await;
            if let Ok(tail) = self.load().await {
                // Rules may have changed meanwhile.
                self.standing.change();
                return tail;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;
    use crate::auth::{Caller, Identity};
    use crate::model::{RevocationTarget, Role, ServiceToken};
    use crate::store::{ServiceTokenChange, SqliteStore};

    fn caller(token: &ServiceToken) -> Caller {
        Caller::Known(Identity {
            subject: token.id.clone(),
            name: token.name.clone(),
            role: token.role,
            expires: token.expires,
            token: token.id.clone(),
            issued: token.created,
            topics: Vec::new(),
        })
    }

    async fn revoked_token(store: &dyn Store, standing: &Standing, id: &str) -> Caller {
        let (created, expires) = (Time::now(), Time::now().plus(PAUSE * 3600));
        let (role, topics) = (Role::Service, Vec::new());
        let token = ServiceToken { id: id.to_owned(), name: id.to_owned(), role, topics, created, expires };
        let caller = caller(&token);
        let revoke = ServiceTokenChange::Revoke { id: id.to_owned(), now: created };
        for change in [ServiceTokenChange::Create(token), revoke] {
            commit(store, standing, Change::ServiceToken(change), |_| Vec::new()).await.unwrap();
        }
        caller
    }

    #[tokio::test]
    async fn another_process_is_told_by_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(folder.path(), false).unwrap());
        let log = Log::new(Arc::clone(&store) as _);
        let (ours, theirs) = (Standing::default(), Standing::default());
        let early = revoked_token(&*store, &ours, "early").await;
        ours.check(&early).unwrap_err();

        let following = RevocationLog::new(Arc::clone(&store), log, theirs.clone());
        let tail = following.load().await.unwrap();
        theirs.check(&early).unwrap_err();
        let mut changes = theirs.changes();
        let follow = tokio::spawn(following.follow(tail));
        let late = revoked_token(&*store, &ours, "late").await;
        timeout(PAUSE * 20, changes.changed()).await.expect("was not told").unwrap();
        assert!(matches!(theirs.check(&late), Err(Error::TokenRevoked)));
        follow.abort();
    }

    #[tokio::test]
    async fn between_what_was_and_what_follows_nothing_is_missing() {
        const ALL: usize = 200;
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(folder.path(), false).unwrap());
        let log =
            RevocationLog::new(Arc::clone(&store), Log::new(Arc::clone(&store) as _), Standing::default());
        let writer = tokio::spawn(async move {
            for n in 0..ALL {
                revoked_token(&*store, &Standing::default(), &n.to_string()).await;
            }
        });
        let mut watchers = Vec::new();
        while !writer.is_finished() {
            watchers.push(log.watch().await.unwrap());
        }
        assert!(watchers.iter().any(|(before, _)| (1..ALL).contains(&before.len())));
        for (mut seen, mut tail) in watchers {
            while seen.len() < ALL {
                let delivery = timeout(PAUSE * 20, tail.next()).await.expect("one is missing").unwrap();
                if let Delivery::Event(event) = delivery {
                    seen.extend(read_revocation(&event).unwrap());
                }
            }
            let targets: Vec<_> = seen.iter().map(|each| each.target.clone()).collect();
            let expected: Vec<_> = (0..ALL).map(|n| RevocationTarget::Token(n.to_string())).collect();
            assert_eq!(targets, expected);
        }
    }
}
