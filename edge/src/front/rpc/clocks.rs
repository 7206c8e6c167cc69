//! What ends a call before the backend does.

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::drain::Turn;
use crate::error::{Error, Result};
use crate::identity::Standing;
use crate::layer::{cut_by_drain, draining};
use crate::upstream::late;

use super::fault::Fault;

/// What ends one call.
#[derive(Debug, Clone)]
pub struct Clocks {
    pub deadline: Option<Instant>,
    /// Whether the caller's token is still good.
    pub standing: Standing,
    pub leave: Leave,
    /// The request body cannot be used.
    pub fault: Fault,
}

/// When a shutdown ends a call.
#[derive(Debug, Clone)]
pub enum Leave {
    /// When this is cancelled.
    At(CancellationToken),
    /// When its turn comes.
    InTurn(Turn),
}

impl Leave {
    async fn due(&self) {
        match self {
            Self::At(token) => token.cancelled().await,
            Self::InTurn(turn) => turn.comes().await,
        }
    }

    /// What its call is told. A stream comes back, and a call may have happened.
    fn error(&self) -> Error {
        match self {
            Self::At(_) => cut_by_drain(),
            Self::InTurn(_) => draining(),
        }
    }
}

impl Clocks {
    /// Does the work, unless something ends it first: also work that is always ready.
    pub async fn within<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            error = self.fault.raised() => Err(error),
            () = reached(self.deadline) => Err(late()),
            () = self.leave.due() => Err(self.leave.error()),
            over = self.standing.over() => Err(over.error()),
            // The transport may be first to say that it was given no more of the request.
            done = work => done.map_err(|error| self.fault.error().unwrap_or(error)),
        }
    }
}

/// Completes then; never when there is no such time.
pub(super) async fn reached(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;
    use crate::config::DrainConfig;
    use crate::drain::Drain;
    use crate::error::{Code, Error};

    fn clocks() -> Clocks {
        let leave = Leave::InTurn(Drain::new(&DrainConfig::default()).one());
        Clocks { deadline: None, standing: Standing::default(), leave, fault: Fault::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_is_always_ready_is_ended_too() {
        let now = Instant::now();
        let drain = Drain::new(&DrainConfig::default());
        drain.begun().cancel();
        let over = CancellationToken::new();
        over.cancel();
        let faulty = clocks();
        faulty.fault.raise(Error::field("text", "is wrong"));
        for (clocks, reason) in [
            (Clocks { deadline: Some(now), ..clocks() }, "DEADLINE_EXCEEDED"),
            (Clocks { standing: Standing::until(now), ..clocks() }, "TOKEN_EXPIRED"),
            (Clocks { leave: Leave::InTurn(drain.one()), ..clocks() }, "DRAINING"),
            (Clocks { leave: Leave::At(over), ..clocks() }, "CUT_BY_DRAIN"),
            (faulty, "FIELD_INVALID"),
        ] {
            let ended = clocks.within(ready(Ok(()))).await.unwrap_err();
            assert_eq!(ended.reason_text(), reason);
        }
        clocks().within(ready(Ok(()))).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_has_one_turn_however_often_it_waits_for_it() {
        let drain = Drain::new(&DrainConfig::default());
        drain.begun().cancel();
        drain.turn();
        let second = Clocks { leave: Leave::InTurn(drain.one()), ..clocks() };
        let begun = Instant::now();
        let step = async || {
            sleep_until(Instant::now() + Duration::from_millis(10)).await;
            Ok(())
        };
        while second.within(step()).await.is_ok() {}
        let turn = begun.elapsed().as_secs_f64() / DrainConfig::default().window.as_secs_f64();
        assert!((0.5..0.7).contains(&turn), "at {turn} of the window");
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_never_ends_is_ended_in_time() {
        let begun = Instant::now();
        let late = Clocks { deadline: Some(begun + Duration::from_secs(9)), ..clocks() };
        let ended = timeout(Duration::from_secs(60), late.within(pending::<Result<()>>())).await.unwrap();
        assert_eq!(ended.unwrap_err().code(), Code::DeadlineExceeded);
        assert_eq!(begun.elapsed().as_secs(), 9);
    }
}
