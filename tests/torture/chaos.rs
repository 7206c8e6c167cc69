//! Carries the plan out: hurts processes, takes rights and gives them back.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, RwLock};
use tokio::time::sleep;

use crate::clock::{Clock, Moment};
use crate::core_client::CoreClient;
use crate::history::topics;
use crate::plan::{Blow, Loss, Plan, Step};
use crate::recorder::{Known, Recorder};
use crate::stage::Stage;
use crate::tally::Tally;
use crate::truth::{Denial, Restore, Who};
use crate::victim::Victim;

/// A run in progress.
#[derive(Debug, Clone)]
pub(crate) struct Chaos {
    pub(crate) stage: Arc<Stage>,
    pub(crate) known: Known,
    pub(crate) clock: Clock,
    pub(crate) tally: Tally,
    pub(crate) recorder: Arc<Mutex<Recorder>>,
    /// Publishers hold it while they publish.
    pub(crate) gate: Arc<RwLock<()>>,
    /// Rights are not taken while the log is taken back to a backup, which does not know of it.
    pub(crate) rights: Arc<Mutex<()>>,
}

impl Chaos {
    /// Does everything in the plan, and leaves all processes running and all rights given back.
    pub(crate) async fn carry_out(&self, plan: Plan) {
        let edges = plan.edges.into_iter().enumerate().map(|(number, steps)| async move {
            for Step { pause, act } in steps {
                sleep(pause).await;
                let begun = self.clock.now();
                self.strike(&self.stage.edges[number], act, &format!("edge {number}")).await;
                self.note_death(number, act, begun);
            }
        });
        tokio::join!(
            self.strike_core(plan.core),
            self.take_and_give(plan.losses),
            futures_util::future::join_all(edges)
        );
    }

    async fn strike_core(&self, steps: Vec<Step<Blow>>) {
        let mut since = self.back_up().await;
        for Step { pause, act } in steps {
            sleep(pause).await;
            let begun = self.clock.now();
            match act {
                Blow::Restore => {
                    self.restore(since).await;
                    since = self.back_up().await;
                }
                act => self.strike(&self.stage.core, act, "core").await,
            }
            if self.stage.edges.is_empty() {
                self.note_death(0, act, begun);
            }
        }
    }

    /// An edge was gone, with all its sessions.
    fn note_death(&self, edge: usize, act: Blow, begun: Moment) {
        if !matches!(act, Blow::Stop { .. }) {
            self.known.with(|truth| truth.deaths.push((edge, begun, self.clock.now())));
        }
    }

    /// One blow to one process; it runs again when this returns.
    async fn strike(&self, victim: &Mutex<Victim>, act: Blow, name: &str) {
        let mut victim = victim.lock().await;
        self.note(&format!("{name}: {act:?}"));
        let kind = name.split(' ').next().unwrap_or(name);
        match act {
            Blow::Kill { away } => {
                victim.kill().await;
                sleep(away).await;
                victim.start_again().await;
                self.tally.count(&format!("kills of the {kind}"));
            }
            Blow::Stop { away } => {
                victim.stop_for(away).await;
                self.tally.count("stops (SIGSTOP)");
            }
            Blow::Terminate | Blow::Restore => {
                victim.terminate().await;
                victim.start_again().await;
                self.tally.count("drains (SIGTERM)");
            }
        }
        self.note(&format!("{name} runs again"));
    }

    fn note(&self, act: &str) {
        self.known.with(|truth| truth.acts.push((self.clock.now(), act.to_owned())));
    }

    /// When the backup was begun.
    async fn back_up(&self) -> Moment {
        let _rights = self.rights.lock().await;
        self.note("core: backup");
        let since = self.clock.now();
        self.stage.back_up().await;
        self.tally.count("backups");
        since
    }

    /// Everything that publishers know to be there is known before it is lost.
    async fn restore(&self, since: Moment) {
        let _rights = self.rights.lock().await;
        let _closed = self.gate.write().await;
        let mut recorder = self.recorder.lock().await;
        let read = self.clock.now();
        recorder.catch_up().await;
        let mut core = self.stage.core.lock().await;
        let begun = self.clock.now();
        self.note("core: killed, and taken back to the backup");
        core.kill().await;
        self.stage.restore().await;
        core.start_again().await;
        let done = self.clock.now();
        recorder.begin_epoch(Restore { since, read, begun, done }).await;
        self.note("core: runs again, with the backup's log");
        self.tally.count("restores");
    }

    async fn take_and_give(&self, steps: Vec<Step<Loss>>) {
        for Step { pause, act } in steps {
            sleep(pause).await;
            let _rights = self.rights.lock().await;
            match act {
                Loss::Rules { topic, away } => {
                    let topic = topics::GUARDED[topic];
                    self.deny(topic, Who::Users, away, |admin, taken| async move {
                        admin.guard(topic, taken).await
                    })
                    .await;
                    self.tally.count("rule changes");
                }
                Loss::Role { user, away } => {
                    let user = format!("officer-{user}");
                    let (name, topic) = (user.as_str(), topics::STAFF[0]);
                    self.deny(topic, Who::User(user.clone()), away, |admin, taken| async move {
                        admin.change_role(name, if taken { "user" } else { "admin" }).await
                    })
                    .await;
                    self.tally.count("role changes");
                }
            }
        }
    }

    /// Takes a right and gives it back after a while; the truth knows between which moments.
    async fn deny<F>(&self, topic: &str, who: Who, away: Duration, set: impl Fn(CoreClient, bool) -> F)
    where
        F: Future<Output = Result<(), tonic::Status>>,
    {
        self.note(&format!("the right to read {topic} is taken from {who:?}"));
        let topic = topics::index(topic).unwrap_or_default();
        let taking = self.clock.now();
        // From now on a refusal may be right; until it is answered, no event is a leak.
        let place = self.known.with(|truth| {
            truth.denials.push(Denial {
                topic,
                who,
                taking,
                taken: Duration::MAX,
                returning: None,
                returned: None,
            });
            truth.denials.len() - 1
        });
        self.insist(|admin| set(admin, true)).await;
        self.known.with(|truth| truth.denials[place].taken = self.clock.now());
        sleep(away).await;
        self.known.with(|truth| truth.denials[place].returning = Some(self.clock.now()));
        self.insist(|admin| set(admin, false)).await;
        self.known.with(|truth| truth.denials[place].returned = Some(self.clock.now()));
        self.note("the right is given back");
    }

    /// Tries until the core has answered.
    async fn insist<F>(&self, set: impl Fn(CoreClient) -> F)
    where
        F: Future<Output = Result<(), tonic::Status>>,
    {
        loop {
            let tried = async { set(CoreClient::admin(self.stage.grpc).await?).await };
            match tried.await {
                Ok(()) => return,
                Err(_) => sleep(Duration::from_millis(100)).await,
            }
        }
    }
}
