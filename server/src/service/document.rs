//! DocumentService, which a later version fills in.

use lastmile_proto::v1;
use tonic::{Request, Response, Status, Streaming, async_trait};
use v1::document_service_server::DocumentService;

use crate::error::Error;

/// Answers UNIMPLEMENTED by the name of each method.
#[derive(Debug, Clone, Copy)]
pub struct DocumentApi;

#[async_trait]
impl DocumentService for DocumentApi {
    async fn list_documents(
        &self,
        _: Request<v1::ListDocumentsRequest>,
    ) -> Result<Response<v1::ListDocumentsResponse>, Status> {
        Err(Error::Unimplemented("lastmile.v1.DocumentService/ListDocuments").into())
    }

    async fn get_document(
        &self,
        _: Request<v1::GetDocumentRequest>,
    ) -> Result<Response<v1::GetDocumentResponse>, Status> {
        Err(Error::Unimplemented("lastmile.v1.DocumentService/GetDocument").into())
    }

    async fn delete_document(&self, _: Request<v1::DeleteDocumentRequest>) -> Result<Response<()>, Status> {
        Err(Error::Unimplemented("lastmile.v1.DocumentService/DeleteDocument").into())
    }

    async fn commit_document(
        &self,
        _: Request<v1::CommitDocumentRequest>,
    ) -> Result<Response<v1::CommitDocumentResponse>, Status> {
        Err(Error::Unimplemented("lastmile.v1.DocumentService/CommitDocument").into())
    }

    type WatchDocumentStream = tokio_stream::Empty<Result<v1::WatchDocumentResponse, Status>>;

    async fn watch_document(
        &self,
        _: Request<v1::WatchDocumentRequest>,
    ) -> Result<Response<Self::WatchDocumentStream>, Status> {
        Err(Error::Unimplemented("lastmile.v1.DocumentService/WatchDocument").into())
    }

    async fn authorize_watch_document(
        &self,
        _: Request<v1::WatchDocumentRequest>,
    ) -> Result<Response<()>, Status> {
        Err(Error::Unimplemented("lastmile.v1.DocumentService/AuthorizeWatchDocument").into())
    }

    type SyncDocumentStream = tokio_stream::Empty<Result<v1::SyncDocumentResponse, Status>>;

    async fn sync_document(
        &self,
        _: Request<Streaming<v1::SyncDocumentRequest>>,
    ) -> Result<Response<Self::SyncDocumentStream>, Status> {
        Err(Error::Unimplemented("lastmile.v1.DocumentService/SyncDocument").into())
    }
}
