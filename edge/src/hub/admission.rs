//! Whether a subscriber may read a shared stream: asked before it joins, and again and again while it reads.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use rand::Rng;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use crate::error::{Code, Error, Result};
use crate::identity::Over;
use crate::upstream::{Call, Upstream};

/// How long an admission outlives a backend that does not answer whether it still holds.
const PATIENCE: Duration = Duration::from_secs(30);
const SPREAD: Duration = Duration::from_millis(300);
/// An answer that takes longer is not waited for before the delivery stops.
const PROMPT: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(500);

/// How to ask whether one subscriber may read.
#[derive(Debug)]
pub struct Admission {
    pub upstream: Upstream,
    /// To the method that admits, with the subscriber's own credential.
    pub call: Call,
    pub request: Bytes,
    /// How long it holds.
    pub ttl: Duration,
    /// The stream outlives its token for a while, and something else ends it then.
    pub outlives_token: bool,
    /// How long one question may take.
    pub timeout: Duration,
    /// Changes when somebody may have lost a right.
    pub changes: watch::Receiver<u64>,
}

impl Admission {
    /// # Errors
    /// Why the subscriber may not read, or that nobody can say so now.
    pub async fn ask(&self) -> Result<()> {
        let mut call = self.call.clone();
        call.deadline = Some(Instant::now() + self.timeout);
        // Boxed, or a reader would have room for it all the time.
        Box::pin(self.upstream.unary(call, self.request.clone())).await.map(|_| ())
    }

    /// Completes when the subscriber may not read any more, with the reason. `doubt` is set while it may be so: then
    /// nothing is to be delivered.
    pub async fn lost(mut self, doubt: Arc<AtomicBool>) -> Error {
        loop {
            doubt.store(false, Ordering::Relaxed);
            let ttl = self.ttl.mul_f64(rand::rng().random_range(0.8..=1.0));
            let mut is_urgent = true;
            tokio::select! {
                () = sleep(ttl) => is_urgent = false,
                // Spread a little: all readers hear of it at once.
                changed = self.changes.changed() => match changed {
                    Ok(()) => {
                        doubt.store(true, Ordering::Relaxed);
                        sleep(SPREAD.mul_f64(rand::random())).await;
                    }
                    Err(_) => sleep(ttl).await,
                },
            }
            match self.ask_patiently(&doubt).await {
                Ok(()) => {}
                // Nobody can be asked by it any more. The stream outlives it for a while, unless a right may be gone.
                Err(error)
                    if Over::of(&error) == Some(Over::Expired) && self.outlives_token && !is_urgent => {}
                Err(error) => return error,
            }
        }
    }

    async fn ask_patiently(&self, doubt: &AtomicBool) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        loop {
            let mut asking = pin!(self.ask());
            let answer = match timeout(PROMPT, &mut asking).await {
                Ok(answer) => answer,
                Err(_) => {
                    // The admission is over, and nobody says that it is renewed.
                    doubt.store(true, Ordering::Relaxed);
                    asking.await
                }
            };
            match answer {
                Err(error) if is_passing(&error) && Instant::now() < until => {
                    doubt.store(true, Ordering::Relaxed);
                    sleep(PAUSE.mul_f64(0.5 + rand::random::<f64>())).await;
                }
                Err(error) if is_passing(&error) || Over::of(&error).is_some() => return Err(error),
                Err(error) => {
                    tracing::info!(%error, "a subscriber may not read a stream any more");
                    let message = "You may not read this stream any more.";
                    return Err(Error::new(Code::PermissionDenied, "ACCESS_LOST", message));
                }
                Ok(()) => return Ok(()),
            }
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
