//! Hands what a tail delivers to the stream of a call.

use std::pin::Pin;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tracing::Instrument;

use crate::auth::Caller;
use crate::domain::{Revision, Standing};
use crate::error::{Error, Result};
use crate::log::{Delivery, Tail};
use crate::model::Time;

/// Messages on their way to one slow caller; the rest waits in the log.
const IN_FLIGHT: usize = 4;

/// A stream outlives its token by so long: an edge ends the streams of its browsers after 25 seconds, in its own words.
const GRACE: Duration = Duration::from_secs(30);

/// The stream of a server-streaming call.
pub(super) type Messages<T> = ReceiverStream<Result<T, Status>>;

/// What ends open streams besides their callers.
#[derive(Debug, Clone)]
pub struct Streams {
    drain: CancellationToken,
    standing: Standing,
}

impl Streams {
    /// Streams that end when the server drains, or when their callers may no longer read.
    pub fn new(drain: CancellationToken, standing: Standing) -> Self {
        Self { drain, standing }
    }

    /// Streams what a tail delivers until the caller leaves, the tail fails, or the stream has to end.
    pub(super) fn deliver<T: Send + 'static>(
        &self,
        mut tail: Tail,
        watch: Watch,
        render: impl Fn(Delivery) -> Result<T> + Send + 'static,
    ) -> Messages<T> {
        let (sender, receiver) = mpsc::channel(IN_FLIGHT);
        let mut guard = self.guard(watch);
        let task = async move {
            let ended = loop {
                // Nothing is read before there is room for it, so that a caller who does not read hears of the end too.
                let next = async { Some((sender.reserve().await.ok()?, tail.next().await)) };
                let next = tokio::select! {
                    // Who may not read any more does not get the event that comes at the same time.
                    biased;
                    () = sender.closed() => return,
                    stirred = guard.stirred() => match guard.allow(stirred).await {
                        Ok(()) => continue,
                        Err(error) => break error,
                    },
                    next = next => next,
                };
                let Some((room, delivery)) = next else { return };
                match delivery.and_then(&render) {
                    Ok(message) => room.send(Ok(message)),
                    Err(gone @ Error::NotFound { .. }) => break guard.explain(gone).await,
                    Err(error) => break error,
                }
            };
            drop((tail, guard));
            // Whoever has left does not want to hear it.
            let _ = sender.send(Err(ended.into())).await;
        };
        tokio::spawn(task.in_current_span());
        ReceiverStream::new(receiver)
    }

    /// Tells when somebody may do less or more than before.
    pub(super) fn access_changes(&self) -> watch::Receiver<Revision> {
        self.standing.changes()
    }

    /// Watches whether a stream has to end.
    pub(super) fn guard(&self, watch: Watch) -> Guard {
        let mut changes = self.standing.changes();
        // Something may have changed between the caller's admission and this line.
        changes.mark_changed();
        Guard {
            drain: self.drain.clone(),
            standing: self.standing.clone(),
            changes,
            rules: None,
            expired: Box::pin(grace_over(watch.caller.clone())),
            watch,
        }
    }
}

/// Whose stream it is, and how to ask whether the caller may still read it.
pub(super) struct Watch {
    caller: Caller,
    authorize: Box<dyn Fn() -> BoxFuture<'static, Result<()>> + Send + Sync>,
}

impl Watch {
    /// `authorize` is asked once at the beginning, and whenever rules have changed.
    pub(super) fn new(
        caller: Caller,
        authorize: impl Fn() -> BoxFuture<'static, Result<()>> + Send + Sync + 'static,
    ) -> Self {
        Self { caller, authorize: Box::new(authorize) }
    }
}

/// Watches whether a stream has to end.
pub(super) struct Guard {
    drain: CancellationToken,
    standing: Standing,
    changes: watch::Receiver<Revision>,
    /// The revision of the rules that admit the caller.
    rules: Option<u64>,
    watch: Watch,
    expired: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Guard {
    /// Waits until it is time to ask [`Self::allow`]; it may be dropped at any time.
    pub(super) async fn stirred(&mut self) -> Stirred {
        tokio::select! {
            () = self.drain.cancelled() => Stirred::Over(Error::ShuttingDown),
            () = &mut self.expired => Stirred::Over(Error::TokenExpired),
            // The sender lives as long as `standing`.
            _ = self.changes.changed() => Stirred::AccessChanged,
        }
    }

    /// Admits a caller who may still read; nothing may be delivered before it has answered.
    ///
    /// # Errors
    /// Why the stream has to end.
    pub(super) async fn allow(&mut self, stirred: Stirred) -> Result<()> {
        match stirred {
            Stirred::Over(error) => Err(error),
            Stirred::AccessChanged => {
                self.standing.check(&self.watch.caller)?;
                let rules = self.changes.borrow().rules;
                if self.rules != Some(rules) {
                    (self.watch.authorize)().await?;
                    self.rules = Some(rules);
                }
                Ok(())
            }
        }
    }

    /// The tail knows only the number of what is gone; who admits callers knows its name.
    async fn explain(&mut self, gone: Error) -> Error {
        (self.watch.authorize)().await.err().unwrap_or(gone)
    }
}

/// What an open stream has to think about.
pub(super) enum Stirred {
    /// It ends.
    Over(Error),
    /// Somebody may do less or more than before.
    AccessChanged,
}

/// Waits until the caller's token has been too old for the time of grace.
async fn grace_over(caller: Caller) {
    let Caller::Known(identity) = caller else {
        return std::future::pending().await;
    };
    let left = identity.expires.plus(GRACE).micros().saturating_sub(Time::now().micros());
    sleep(Duration::from_micros(u64::try_from(left).unwrap_or_default())).await;
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::{FutureExt, StreamExt};

    use super::*;
    use crate::auth::Identity;
    use crate::log::{Log, Start};
    use crate::model::{NewEvent, Revocation, Role, USERS_TOPIC};
    use crate::store::{SqliteStore, Store, Write};

    fn caller(token: &str) -> Caller {
        let (subject, name, token) = ("7".to_owned(), String::new(), token.to_owned());
        let (issued, expires) = (Time::now(), Time::now().plus(GRACE * 100));
        let (role, topics) = (Role::User, Vec::new());
        Caller::Known(Identity { subject, name, role, expires, token, issued, topics })
    }

    fn revocation(token: &str) -> [Revocation; 1] {
        [Revocation::of_token(token.to_owned(), Time::now(), Time::now())]
    }

    async fn append(store: &SqliteStore) {
        let (kind, publisher, traceparent) = ("test".to_owned(), String::new(), String::new());
        let topic = USERS_TOPIC;
        let event = NewEvent { topic, kind, publisher, traceparent, body: Vec::new(), idempotency: None };
        store.commit(Write::events(vec![event])).await.unwrap();
    }

    async fn tail(store: &Arc<SqliteStore>) -> Tail {
        let log = Log::new(Arc::clone(store) as _);
        Tail::open(log, Arc::new([USERS_TOPIC]), Start::Position(0)).await.unwrap()
    }

    #[tokio::test]
    async fn a_token_revoked_while_its_stream_opens_gets_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(folder.path(), false).unwrap());
        append(&store).await;
        let standing = Standing::default();
        standing.revoke(&revocation("mine"));
        let streams = Streams::new(CancellationToken::new(), standing);
        let watch = Watch::new(caller("mine"), || async { Ok(()) }.boxed());
        let mut messages = streams.deliver(tail(&store).await, watch, Ok);
        let status = messages.next().await.unwrap().unwrap_err();
        assert_eq!(status.code(), tonic::Code::Unauthenticated, "{status:?}");
        assert!(messages.next().await.is_none());
    }

    #[tokio::test]
    async fn others_revocations_ask_nobody_and_new_rules_ask_everybody() {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(folder.path(), false).unwrap());
        let standing = Standing::default();
        let streams = Streams::new(CancellationToken::new(), standing.clone());
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        let watch = Watch::new(caller("mine"), move || {
            counter.fetch_add(1, Ordering::SeqCst);
            async { Ok(()) }.boxed()
        });
        let mut messages = streams.deliver(tail(&store).await, watch, Ok);
        assert!(messages.next().await.unwrap().is_ok());
        for (change, expected) in [(false, 1), (true, 2), (false, 2)] {
            if change {
                standing.change();
            } else {
                standing.revoke(&revocation(&format!("other{}", asked.load(Ordering::SeqCst))));
            }
            // What is delivered after a change has been thought about.
            append(&store).await;
            assert!(messages.next().await.unwrap().is_ok());
            assert_eq!(asked.load(Ordering::SeqCst), expected);
        }
    }
}
