//! A gRPC backend that answers at once: one user, and each commit of a conversation.

use std::pin::Pin;

use lastmile_proto::v1::document_service_server::{DocumentService, DocumentServiceServer};
use lastmile_proto::v1::sync_document_response::Frame;
use lastmile_proto::v1::user_service_server::{UserService, UserServiceServer};
use lastmile_proto::v1::{
    CommitDocumentRequest, CommitDocumentResponse, CreateUserRequest, DeleteDocumentRequest,
    DeleteUserRequest, GetDocumentRequest, GetDocumentResponse, GetUserRequest, ListDocumentsRequest,
    ListDocumentsResponse, ListUsersRequest, ListUsersResponse, SyncDocumentRequest, SyncDocumentResponse,
    UpdateUserRequest, User, WatchDocumentRequest, WatchDocumentResponse, WatchUsersRequest,
    WatchUsersResponse,
};
use tokio_stream::wrappers::TcpListenerStream;
use tokio_stream::{Pending, Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming};

#[derive(Debug)]
struct Backend;

/// Serves until it is killed; prints where.
#[expect(clippy::print_stdout, reason = "the bench reads the address there")]
pub(crate) async fn serve() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    println!("listening {}", listener.local_addr().expect("it is bound"));
    let server = tonic::transport::Server::builder()
        .add_service(UserServiceServer::new(Backend))
        .add_service(DocumentServiceServer::new(Backend));
    server.serve_with_incoming(TcpListenerStream::new(listener)).await.expect("it runs until it is killed");
}

fn unmeasured<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("not measured"))
}

#[tonic::async_trait]
impl UserService for Backend {
    async fn get_user(&self, request: Request<GetUserRequest>) -> Result<Response<User>, Status> {
        let id = request.into_inner().id;
        let username = format!("user{id}");
        let email = format!("{username}@example.com");
        let tags = vec!["admin".into(), "europe".into()];
        Ok(Response::new(User { id, name: "User".into(), tags, username, email, ..User::default() }))
    }

    async fn list_users(&self, _: Request<ListUsersRequest>) -> Result<Response<ListUsersResponse>, Status> {
        unmeasured()
    }

    async fn create_user(&self, _: Request<CreateUserRequest>) -> Result<Response<User>, Status> {
        unmeasured()
    }

    async fn update_user(&self, _: Request<UpdateUserRequest>) -> Result<Response<User>, Status> {
        unmeasured()
    }

    async fn delete_user(&self, _: Request<DeleteUserRequest>) -> Result<Response<()>, Status> {
        unmeasured()
    }

    type WatchUsersStream = Pending<Result<WatchUsersResponse, Status>>;

    async fn watch_users(
        &self,
        _: Request<WatchUsersRequest>,
    ) -> Result<Response<Self::WatchUsersStream>, Status> {
        unmeasured()
    }

    async fn authorize_watch_users(&self, _: Request<WatchUsersRequest>) -> Result<Response<()>, Status> {
        unmeasured()
    }
}

#[tonic::async_trait]
impl DocumentService for Backend {
    async fn list_documents(
        &self,
        _: Request<ListDocumentsRequest>,
    ) -> Result<Response<ListDocumentsResponse>, Status> {
        unmeasured()
    }

    async fn get_document(
        &self,
        _: Request<GetDocumentRequest>,
    ) -> Result<Response<GetDocumentResponse>, Status> {
        unmeasured()
    }

    async fn delete_document(&self, _: Request<DeleteDocumentRequest>) -> Result<Response<()>, Status> {
        unmeasured()
    }

    async fn commit_document(
        &self,
        _: Request<CommitDocumentRequest>,
    ) -> Result<Response<CommitDocumentResponse>, Status> {
        unmeasured()
    }

    type WatchDocumentStream = Pending<Result<WatchDocumentResponse, Status>>;

    async fn watch_document(
        &self,
        _: Request<WatchDocumentRequest>,
    ) -> Result<Response<Self::WatchDocumentStream>, Status> {
        unmeasured()
    }

    async fn authorize_watch_document(
        &self,
        _: Request<WatchDocumentRequest>,
    ) -> Result<Response<()>, Status> {
        unmeasured()
    }

    type SyncDocumentStream = Pin<Box<dyn Stream<Item = Result<SyncDocumentResponse, Status>> + Send>>;

    async fn sync_document(
        &self,
        request: Request<Streaming<SyncDocumentRequest>>,
    ) -> Result<Response<Self::SyncDocumentStream>, Status> {
        let answers = request.into_inner().map(|request| {
            request.map(|_| {
                let committed = CommitDocumentResponse { version: 1, cursor: "cursor".into() };
                SyncDocumentResponse { frame: Some(Frame::Committed(committed)) }
            })
        });
        Ok(Response::new(Box::pin(answers)))
    }
}
