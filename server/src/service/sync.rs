//! SyncDocument: watches and commits one document over one call.

use lastmile_proto::v1;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};
use tracing::Instrument;
use v1::sync_document_response::Frame;

use super::parse::{self, SyncFrame};
use super::stream::{Guard, Messages};
use crate::auth::Caller;
use crate::domain::{DocumentVersion, Documents, document_change_message};
use crate::error::{Error, Result};
use crate::log::{Delivery, Log, Tail};
use crate::model::{DocumentCommit, EventLimit};

/// Messages on their way to one slow caller; the rest waits in the log, and in the caller.
const IN_FLIGHT: usize = 4;

/// One SyncDocument call.
pub(super) struct DocumentSync {
    documents: Documents,
    log: Log,
    caller: Caller,
    requests: Streaming<v1::SyncDocumentRequest>,
    limit: EventLimit,
    watched: Option<Watched>,
}

struct Watched {
    id: String,
    tail: Tail,
}

impl DocumentSync {
    pub(super) fn new(
        documents: Documents,
        log: Log,
        caller: Caller,
        requests: Streaming<v1::SyncDocumentRequest>,
        limit: EventLimit,
    ) -> Self {
        Self { documents, log, caller, requests, limit, watched: None }
    }

    /// Answers until the caller has said and heard everything, something fails, or the stream has to end.
    pub(super) fn start(mut self, mut guard: Guard) -> Messages<v1::SyncDocumentResponse> {
        let (sender, receiver) = mpsc::channel(IN_FLIGHT);
        let task = async move {
            let ended = loop {
                // As in `deliver`: nothing is read before there is room for the answer.
                let next = async { Some((sender.reserve().await.ok()?, self.next().await)) };
                let next = tokio::select! {
                    biased;
                    () = sender.closed() => return,
                    stirred = guard.stirred() => match guard.allow(stirred).await {
                        Ok(()) => continue,
                        Err(error) => break error.into(),
                    },
                    next = next => next,
                };
                let Some((room, event)) = next else { return };
                match self.answer(event).await {
                    Ok(Step::Say(frame)) => room.send(Ok(v1::SyncDocumentResponse { frame: Some(frame) })),
                    Ok(Step::Listen) => {}
                    Ok(Step::End) => return,
                    Err(status) => break status,
                }
            };
            drop((self, guard));
            // Whoever has left does not want to hear it.
            let _ = sender.send(Err(ended)).await;
        };
        tokio::spawn(task.in_current_span());
        ReceiverStream::new(receiver)
    }

    /// Waits for what happens next. It may be dropped at any time: nothing is lost.
    async fn next(&mut self) -> Event {
        let Some(watched) = &mut self.watched else {
            return Event::Said(self.requests.message().await);
        };
        // Not biased: who commits without pause still hears of changes.
        tokio::select! {
            said = self.requests.message() => Event::Said(said),
            delivery = watched.tail.next() => Event::Changed(delivery),
        }
    }

    /// The next message is read after this answer is sent, so that a caller cannot be ahead of the disk.
    async fn answer(&mut self, event: Event) -> Result<Step, Status> {
        let request = match event {
            Event::Changed(Err(Error::NotFound { .. })) => return Err(self.forgotten().into()),
            Event::Changed(delivery) => {
                return Ok(Step::Say(Frame::Change(render(&self.log, delivery?)?)));
            }
            Event::Said(said) => match said? {
                Some(request) => request,
                None => return Ok(Step::End),
            },
        };
        let watched = self.watched.as_ref().map(|watched| watched.id.as_str());
        match parse::sync_document(self.limit, &self.log, watched, request)? {
            SyncFrame::Watch(id, start) => {
                let tail = self.documents.watch(&self.caller, &id, start).await?;
                self.watched = Some(Watched { id, tail });
                Ok(Step::Listen)
            }
            SyncFrame::Commit(commit) => Ok(Step::Say(self.commit(commit).await?)),
        }
    }

    /// A document that was deleted long ago; the tail knows only the number of its log.
    fn forgotten(&self) -> Error {
        let name = self.watched.as_ref().map(|watched| watched.id.clone()).unwrap_or_default();
        Error::NotFound { kind: "document", name }
    }

    async fn commit(&self, commit: DocumentCommit) -> Result<Frame> {
        match self.documents.commit(&self.caller, commit).await {
            Ok(made) => Ok(Frame::Committed(committed(&self.log, made))),
            Err(Error::DocumentConflict(conflict)) => Ok(Frame::Conflict(conflict)),
            Err(error) => Err(error.within("commit")),
        }
    }
}

/// What can happen next.
enum Event {
    /// The caller said something, or nothing more.
    Said(Result<Option<v1::SyncDocumentRequest>, Status>),
    /// The document changed.
    Changed(Result<Delivery>),
}

/// What to do about it.
enum Step {
    /// Send this.
    Say(Frame),
    /// Go on.
    Listen,
    /// End well.
    End,
}

/// The answer to a commit.
pub(super) fn committed(log: &Log, made: DocumentVersion) -> v1::CommitDocumentResponse {
    v1::CommitDocumentResponse { version: made.version, cursor: log.cursor(made.seq) }
}

/// The message of a change or a position.
pub(super) fn render(log: &Log, delivery: Delivery) -> Result<v1::WatchDocumentResponse> {
    Ok(match delivery {
        Delivery::Position(seq) => {
            v1::WatchDocumentResponse { cursor: log.cursor(seq), position: true, ..Default::default() }
        }
        Delivery::Event(event) => v1::WatchDocumentResponse {
            cursor: log.cursor(event.seq),
            previous: log.cursor(event.previous),
            ..document_change_message(&event)?
        },
    })
}
