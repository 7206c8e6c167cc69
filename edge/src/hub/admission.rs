//! Whether a subscriber may read a shared stream: asked before it joins, and again and again while it reads.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::Rng;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::error::{Code, Error, Result};
use crate::identity::Over;

use super::latest::Moment;
use super::question::{Answer, Question};

/// How long an admission outlives a backend that does not answer whether it still holds.
const PATIENCE: Duration = Duration::from_secs(30);
const SPREAD: Duration = Duration::from_millis(300);
/// An answer that takes longer is not waited for before the delivery stops.
const PROMPT: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(500);

/// What a subscriber was admitted by.
#[derive(Debug)]
pub struct Admission {
    terms: Terms,
    holds: Holds,
}

/// By what it holds.
#[derive(Debug, Clone, Copy)]
struct Holds {
    /// When its question was put, among all times that it was.
    by: Moment,
    since: Instant,
}

/// How a subscriber is admitted.
#[derive(Debug)]
pub struct Terms {
    pub question: Arc<Question>,
    /// How long an answer holds.
    pub ttl: Duration,
    /// The stream outlives its token for a while, and something else ends it then.
    pub outlives_token: bool,
    /// Changes when somebody may have lost a right.
    pub changes: watch::Receiver<u64>,
}

impl Admission {
    /// # Errors
    /// Why the subscriber may not read, or that nobody can say so now.
    pub async fn ask(terms: Terms) -> Result<Self> {
        let (by, Answer { asked: since, may }) = terms.question.answer(terms.question.now()).await;
        may.map(|()| Self { terms, holds: Holds { by, since } })
    }

    /// Completes when the subscriber may not read any more, with the reason. `doubt` is set while it may be so: then
    /// nothing is to be delivered.
    pub async fn lost(self, doubt: Arc<AtomicBool>) -> Error {
        let Self { mut terms, mut holds } = self;
        loop {
            doubt.store(false, Ordering::Relaxed);
            let due = holds.since + terms.ttl.mul_f64(rand::rng().random_range(0.8..=1.0));
            let mut is_urgent = true;
            tokio::select! {
                () = sleep_until(due) => is_urgent = false,
                // Spread a little: all readers hear of it at once.
                changed = terms.changes.changed() => match changed {
                    Ok(()) => {
                        doubt.store(true, Ordering::Relaxed);
                        holds.by = terms.question.now();
                        sleep(SPREAD.mul_f64(rand::random())).await;
                    }
                    Err(_) => sleep_until(due).await,
                },
            }
            holds = match ask_patiently(&terms.question, holds.by, &doubt).await {
                Ok(holds) => holds,
                // Nobody can be asked by it any more. The stream outlives it for a while, unless a right may be gone.
                Err(error)
                    if Over::of(&error) == Some(Over::Expired) && terms.outlives_token && !is_urgent =>
                {
                    Holds { by: terms.question.now(), since: Instant::now() }
                }
                Err(error) => return error,
            }
        }
    }
}

/// Asks until somebody answers, after this moment.
async fn ask_patiently(question: &Arc<Question>, mut after: Moment, doubt: &AtomicBool) -> Result<Holds> {
    let until = Instant::now() + PATIENCE;
    loop {
        let mut answer = pin!(question.answer(after));
        let (by, Answer { asked: since, may }) = match timeout(PROMPT, &mut answer).await {
            Ok(answer) => answer,
            Err(_) => {
                // The admission is over, and nobody says that it is renewed.
                doubt.store(true, Ordering::Relaxed);
                answer.await
            }
        };
        match may {
            Err(error) if is_passing(&error) && Instant::now() < until => {
                doubt.store(true, Ordering::Relaxed);
                after = by;
                sleep(PAUSE.mul_f64(0.5 + rand::random::<f64>())).await;
            }
            Err(error) if is_passing(&error) || Over::of(&error).is_some() => return Err(error),
            Err(error) => {
                tracing::info!(%error, "a subscriber may not read a stream any more");
                let message = "You may not read this stream any more.";
                return Err(Error::new(Code::PermissionDenied, "ACCESS_LOST", message));
            }
            Ok(()) => return Ok(Holds { by, since }),
        }
    }
}

/// Nothing is said of the subscriber.
fn is_passing(error: &Error) -> bool {
    matches!(
        error.code(),
        Code::Unavailable | Code::DeadlineExceeded | Code::ResourceExhausted | Code::Internal | Code::Unknown
    )
}
