//! DocumentService.

use futures_util::FutureExt;
use futures_util::future::ready;
use lastmile_proto::v1;
use prost::Message;
use tonic::{Request, Response, Status, Streaming, async_trait};
use v1::document_service_server::DocumentService;

use super::call::{admitted, caller};
use super::stream::{Messages, Streams, Watch};
use super::sync::{DocumentSync, committed, render};
use super::{page, parse};
use crate::domain::{Documents, check_follower, check_member, document_message};
use crate::error::{Error, Result};
use crate::log::Log;
use crate::model::EventLimit;

/// Bytes of the conflicts in an error: it travels in a header, for which clients have little room.
const MAX_DETAIL: usize = 4 * 1024;

/// Reads, changes and watches documents.
#[derive(Debug, Clone)]
pub struct DocumentApi {
    documents: Documents,
    log: Log,
    streams: Streams,
    limit: EventLimit,
}

impl DocumentApi {
    /// The service over its domain; a commit is an event within the limit.
    pub fn new(documents: Documents, log: Log, streams: Streams, limit: EventLimit) -> Self {
        Self { documents, log, streams, limit }
    }
}

#[async_trait]
impl DocumentService for DocumentApi {
    async fn list_documents(
        &self,
        request: Request<v1::ListDocumentsRequest>,
    ) -> Result<Response<v1::ListDocumentsResponse>, Status> {
        let (caller, request) = admitted(request, check_member)?;
        let query = parse::list_documents(&request)?;
        let found = self.documents.list(&caller, query).await?;
        let next = found.documents.last().filter(|_| found.more);
        Ok(Response::new(v1::ListDocumentsResponse {
            next_page_token: next
                .map(|document| page::token("documents", "", &document.id))
                .unwrap_or_default(),
            documents: found.documents.into_iter().map(document_message).collect(),
        }))
    }

    async fn get_document(
        &self,
        request: Request<v1::GetDocumentRequest>,
    ) -> Result<Response<v1::GetDocumentResponse>, Status> {
        let (caller, request) = admitted(request, check_member)?;
        let id = parse::document_id(request.id)?;
        let (document, seq) = self.documents.get(&caller, &id).await?;
        let document = Some(document_message(document));
        Ok(Response::new(v1::GetDocumentResponse { document, cursor: self.log.cursor(seq) }))
    }

    async fn delete_document(
        &self,
        request: Request<v1::DeleteDocumentRequest>,
    ) -> Result<Response<()>, Status> {
        let (caller, request) = admitted(request, check_member)?;
        let (id, version) = parse::delete_document(request)?;
        self.documents.delete(&caller, id, version).await?;
        Ok(Response::new(()))
    }

    async fn commit_document(
        &self,
        request: Request<v1::CommitDocumentRequest>,
    ) -> Result<Response<v1::CommitDocumentResponse>, Status> {
        let (caller, request) = admitted(request, check_member)?;
        let commit = parse::commit_document(self.limit, request)?;
        let made = self.documents.commit(&caller, commit).await.map_err(shorten)?;
        Ok(Response::new(committed(&self.log, made)))
    }

    type WatchDocumentStream = Messages<v1::WatchDocumentResponse>;

    async fn watch_document(
        &self,
        request: Request<v1::WatchDocumentRequest>,
    ) -> Result<Response<Self::WatchDocumentStream>, Status> {
        let (caller, request) = admitted(request, check_follower)?;
        let (id, start) = parse::watch_document(&self.log, request)?;
        let tail = self.documents.watch(&caller, &id, start?).await?;
        let log = self.log.clone();
        let render = move |delivery| render(&log, delivery);
        let documents = self.documents.clone();
        let watch = Watch::new(caller.clone(), move || {
            let (documents, caller, id) = (documents.clone(), caller.clone(), id.clone());
            async move { documents.authorize_watch(&caller, &id, true).await.map(drop) }.boxed()
        });
        Ok(Response::new(self.streams.deliver(tail, watch, render)))
    }

    async fn authorize_watch_document(
        &self,
        request: Request<v1::WatchDocumentRequest>,
    ) -> Result<Response<()>, Status> {
        let (caller, request) = admitted(request, check_follower)?;
        let resumes = !request.cursor.is_empty();
        let (id, _) = parse::watch_document(&self.log, request)?;
        self.documents.authorize_watch(&caller, &id, resumes).await?;
        Ok(Response::new(()))
    }

    type SyncDocumentStream = Messages<v1::SyncDocumentResponse>;

    async fn sync_document(
        &self,
        request: Request<Streaming<v1::SyncDocumentRequest>>,
    ) -> Result<Response<Self::SyncDocumentStream>, Status> {
        let caller = caller(&request);
        Documents::authorize_sync(&caller)?;
        let subject = caller.clone();
        let watch = Watch::new(caller.clone(), move || ready(Documents::authorize_sync(&subject)).boxed());
        let guard = self.streams.guard(watch);
        let sync = DocumentSync::new(
            self.documents.clone(),
            self.log.clone(),
            caller,
            request.into_inner(),
            self.limit,
        );
        Ok(Response::new(sync.start(guard)))
    }
}

/// Leaves out of a conflict what has no room in an error: values first, then paths.
fn shorten(error: Error) -> Error {
    let Error::DocumentConflict(conflict) = error else {
        return error;
    };
    let mut short = v1::DocumentConflict { version: conflict.version, ..Default::default() };
    for mut path in conflict.paths {
        if path.encoded_len() > room(&short) && path.current.take().is_some() {
            path.current_omitted = true;
        }
        if path.encoded_len() > room(&short) {
            short.omitted_paths += 1;
        } else {
            short.paths.push(path);
        }
    }
    Error::DocumentConflict(short)
}

fn room(conflict: &v1::DocumentConflict) -> usize {
    MAX_DETAIL.saturating_sub(conflict.encoded_len())
}

#[cfg(test)]
mod tests {
    use prost_types::Value;
    use prost_types::value::Kind;

    use super::*;

    fn path(path: &str, bytes: usize) -> v1::ConflictingPath {
        let current = Some(Value { kind: Some(Kind::StringValue("x".repeat(bytes))) });
        v1::ConflictingPath { path: path.to_owned(), version: 1, current, ..Default::default() }
    }

    #[test]
    fn conflicts_in_errors_leave_out_values_then_paths() {
        let mut paths = vec![path("/small", 10), path("/large", 5000), path("/also-small", 10)];
        paths.extend((0..300).map(|n| path(&format!("/{n}{}", "y".repeat(100)), 0)));
        let whole = v1::DocumentConflict { version: 7, paths: paths.clone(), omitted_paths: 0 };
        let Error::DocumentConflict(short) = shorten(Error::DocumentConflict(whole)) else { unreachable!() };
        assert!(short.encoded_len() <= MAX_DETAIL + 16);
        assert_eq!(short.paths[0], paths[0]);
        assert_eq!((short.paths[1].current.as_ref(), short.paths[1].current_omitted), (None, true));
        assert_eq!(short.paths[2], paths[2]);
        assert!(short.paths.len() > 20);
        assert_eq!(short.paths.len() + short.omitted_paths as usize, paths.len());
    }
}
