//! A gRPC backend that answers at once: what is measured stands before it.

use lastmile_proto::v1::user_service_server::{UserService, UserServiceServer};
use lastmile_proto::v1::{
    CreateUserRequest, DeleteUserRequest, GetUserRequest, ListUsersRequest, ListUsersResponse,
    UpdateUserRequest, User, WatchUsersRequest, WatchUsersResponse,
};
use prost_types::Timestamp;
use tokio_stream::Pending;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

use crate::naive::announce;

const USERS: i32 = 100;

#[derive(Debug)]
pub(crate) struct Users(ListUsersResponse);

/// The service, for a server of its own or for the same process.
pub(crate) fn service() -> UserServiceServer<Users> {
    let users = (1..=USERS).map(user).collect();
    UserServiceServer::new(Users(ListUsersResponse { users, ..Default::default() }))
}

pub(crate) async fn serve() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    announce(listener.local_addr().expect("it is bound"));
    let server = tonic::transport::Server::builder().add_service(service());
    server.serve_with_incoming(TcpListenerStream::new(listener)).await.expect("it runs until it is killed");
}

fn user(id: i32) -> User {
    let time = Some(Timestamp { seconds: 1_790_000_000 + i64::from(id), nanos: 123_000_000 });
    User {
        id,
        name: format!("User Number {id}"),
        tags: vec!["admin".into(), "europe".into()],
        username: format!("user{id}"),
        email: format!("user{id}@example.com"),
        role: "member".into(),
        create_time: time,
        update_time: time,
        etag: "0123456789abcdef".into(),
    }
}

#[tonic::async_trait]
impl UserService for Users {
    async fn get_user(&self, request: Request<GetUserRequest>) -> Result<Response<User>, Status> {
        let index = usize::try_from(request.into_inner().id - 1).unwrap_or(usize::MAX);
        self.0.users.get(index).cloned().map(Response::new).ok_or_else(|| Status::not_found("no such user"))
    }

    async fn list_users(&self, _: Request<ListUsersRequest>) -> Result<Response<ListUsersResponse>, Status> {
        Ok(Response::new(self.0.clone()))
    }

    async fn create_user(&self, _: Request<CreateUserRequest>) -> Result<Response<User>, Status> {
        Err(Status::unimplemented("not measured"))
    }

    async fn update_user(&self, _: Request<UpdateUserRequest>) -> Result<Response<User>, Status> {
        Err(Status::unimplemented("not measured"))
    }

    async fn delete_user(&self, _: Request<DeleteUserRequest>) -> Result<Response<()>, Status> {
        Err(Status::unimplemented("not measured"))
    }

    type WatchUsersStream = Pending<Result<WatchUsersResponse, Status>>;

    async fn watch_users(
        &self,
        _: Request<WatchUsersRequest>,
    ) -> Result<Response<Self::WatchUsersStream>, Status> {
        Err(Status::unimplemented("not measured"))
    }

    async fn authorize_watch_users(&self, _: Request<WatchUsersRequest>) -> Result<Response<()>, Status> {
        Err(Status::unimplemented("not measured"))
    }
}
