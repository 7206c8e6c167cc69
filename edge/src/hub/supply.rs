//! A stream that outlives its upstream calls: whatever breaks, the next call continues where the last one stood.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::time::sleep;

use crate::cursor::Place;
use crate::error::{Code, Error, Result};
use crate::upstream::{Call, Upstream};

use super::counts::Counts;
use super::item::{Entry, Item};
use super::outcome::{GapReason, Outcome};
use super::source::{Source, Start};
use super::subject::Subject;
use super::subscription::Resume;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A backend that leaves out the same event so often has lost it.
const BREAKS: u32 = 5;

/// How the calls of a stream are made. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Line {
    pub upstream: Upstream,
    /// With the credential that lasts longest, of those who read.
    pub call: Arc<ArcSwap<Call>>,
    pub subject: Subject,
    pub peek: Duration,
    /// Names the numbers of a stream without cursors.
    pub epoch: Arc<str>,
    pub counts: Arc<Counts>,
}

/// A stream that outlives its upstream calls; dropping it cancels the one that is open.
#[derive(Debug)]
pub struct Supply {
    line: Line,
    /// The call that `source` was opened with.
    call: Arc<Call>,
    source: Source,
    place: Option<Place>,
    /// How often an event was missing at this place.
    breaks: u32,
}

impl Supply {
    /// Opens the stream where a subscriber wants it.
    ///
    /// # Errors
    /// Whatever the backend fails with before the first message, but for a cursor that is too old or of another log:
    /// that is a gap, and the stream is opened from now.
    pub async fn open(line: Line, start: Start, resume: &Resume) -> Result<(Self, Outcome)> {
        let call = line.call.load_full();
        let (source, outcome) = match line.open(&call, &start).await {
            Ok(source) => (source, resume.outcome(&line.subject)),
            Err(error) => {
                let is_forgiving = matches!(resume, Resume::After { forgiving: true, .. });
                let gap =
                    matches!(start, Start::After(_)).then(|| gap_reason(&error, is_forgiving)).flatten();
                let Some(gap) = gap else { return Err(error) };
                (line.open(&call, &Start::Now).await?, Outcome::Gap(gap))
            }
        };
        let place = source.place();
        Ok((Self { line, call, source, place, breaks: 0 }, outcome))
    }

    /// Opens the stream after a cursor that it gave before, however long that takes; with the gap that is due when that is
    /// not possible any more.
    ///
    /// # Errors
    /// A failure that another attempt would not mend.
    pub async fn reopen(line: Line, cursor: Vec<u8>) -> Result<(Self, Option<Entry>)> {
        let (source, call, gap) = Attempts::new(cursor).succeed(&line).await?;
        let gap = gap.map(|reason| told(reason, &source)).transpose()?;
        let place = source.place();
        Ok((Self { line, call, source, place, breaks: 0 }, gap))
    }

    /// Where it stands, when that is known.
    pub fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    /// The next item; `None` is a clean end. A gap that a break has left is an item.
    ///
    /// # Errors
    /// A failure that another call would not mend.
    pub async fn next(&mut self) -> Result<Option<Entry>> {
        loop {
            let entry = match self.source.next().await {
                Ok(entry) => entry,
                Err(error) => match self.recover(self.line.judged(error)).await? {
                    Some(gap) => Some(gap),
                    None => continue,
                },
            };
            if let Some(entry) = &entry {
                self.place = Some(entry.place.clone());
                self.breaks = 0;
            }
            return Ok(entry);
        }
    }

    /// Opens the stream again where it stands; or from now, and says so.
    async fn recover(&mut self, error: Error) -> Result<Option<Entry>> {
        let (Some(Place::After(cursor)), Some(_)) = (&self.place, &self.line.subject.rule().durable) else {
            return Err(error);
        };
        if error.reason_text() == "UPSTREAM_BREAK" {
            self.breaks += 1;
            if self.breaks == BREAKS {
                let message = "The backend has lost an event of this stream.";
                return Err(Error::new(Code::DataLoss, "EVENT_LOST", message));
            }
        }
        let mut attempts = Attempts::new(cursor.clone());
        attempts.failed(error, &self.line, &self.call).await?;
        let gap;
        (self.source, self.call, gap) = attempts.succeed(&self.line).await?;
        gap.map(|reason| told(reason, &self.source)).transpose()
    }
}

impl Line {
    async fn open(&self, call: &Call, start: &Start) -> Result<Source> {
        let open =
            Source::open(&self.upstream, call, &self.subject, start, self.peek, &self.epoch, &self.counts);
        open.await.map_err(|error| self.judged(error))
    }

    /// Where the edge calls by itself, nothing is wrong with what a reader sent: it is the edge that the backend refuses.
    fn judged(&self, error: Error) -> Error {
        let is_refusal = matches!(error.code(), Code::Unauthenticated | Code::PermissionDenied);
        if !is_refusal || !self.upstream.is_by_edge() {
            return error;
        }
        tracing::error!(%error, "the backend refuses the edge's own credential: set `credential` to a good one");
        let message =
            "The backend refuses the edge's own credential; the edge's operator has to set a good one.";
        Error::new(Code::Unavailable, "CREDENTIAL_REFUSED", message)
    }
}

/// The attempts to open a stream again.
struct Attempts {
    start: Start,
    gap: Option<GapReason>,
    pause: Duration,
}

impl Attempts {
    fn new(cursor: Vec<u8>) -> Self {
        Self { start: Start::After(cursor), gap: None, pause: FIRST_PAUSE }
    }

    /// Tries until there is a call, or a failure that another attempt would not mend.
    async fn succeed(&mut self, line: &Line) -> Result<(Source, Arc<Call>, Option<GapReason>)> {
        loop {
            let call = line.call.load_full();
            match line.open(&call, &self.start).await {
                Ok(source) => return Ok((source, call, self.gap)),
                Err(error) => self.failed(error, line, &call).await?,
            }
        }
    }

    /// Waits before the next attempt, where there should be one.
    async fn failed(&mut self, error: Error, line: &Line, call: &Arc<Call>) -> Result<()> {
        let method = line.subject.method.name();
        match gap_reason(&error, true) {
            Some(reason) if self.gap.is_none() => {
                tracing::warn!(method, reason = reason.name(), "a stream cannot go on where it stood");
                (self.gap, self.start) = (Some(reason), Start::Now);
                return Ok(());
            }
            _ => {}
        }
        let may_mend = match error.code() {
            // Readers are told, and come back: not the stream alone may wait for an operator.
            _ if error.reason_text() == "CREDENTIAL_REFUSED" => false,
            Code::Unavailable => true,
            // Somebody has come with a newer credential.
            Code::Unauthenticated => !Arc::ptr_eq(call, &line.call.load()),
            _ => false,
        };
        if !may_mend {
            return Err(error);
        }
        tracing::info!(method, %error, "a stream was broken off and is opened again");
        // Full jitter: streams that were broken off together do not come back together.
        sleep(self.pause.mul_f64(rand::random())).await;
        self.pause = (2 * self.pause).min(LONGEST_PAUSE);
        Ok(())
    }
}

fn told(reason: GapReason, source: &Source) -> Result<Entry> {
    // Without a position it would be told that the stream stands where it cannot go on.
    let Some(place) = source.place() else {
        let message = "The backend owes a position message first.";
        return Err(Error::new(Code::Unavailable, "POSITION_MISSING", message));
    };
    Ok(Entry { item: Item::Gap(reason), place })
}

/// Whether a failure to continue is a gap to be told, rather than an error. `forgiving`: what is no cursor at all is one
/// of another stream.
fn gap_reason(error: &Error, forgiving: bool) -> Option<GapReason> {
    match error.reason_text() {
        "CURSOR_EXPIRED" => Some(GapReason::Expired),
        "CURSOR_EPOCH_CHANGED" => Some(GapReason::EpochChanged),
        "CURSOR_INVALID" if forgiving => Some(GapReason::CursorMismatch),
        _ => None,
    }
}
