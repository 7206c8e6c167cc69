//! UserService.

use futures_util::FutureExt;
use futures_util::future::ready;
use lastmile_proto::v1;
use tonic::{Request, Response, Status, async_trait};
use v1::user_service_server::UserService;

use super::call::admitted;
use super::stream::{Messages, Streams, Watch};
use super::{page, parse};
use crate::auth::Caller;
use crate::domain::{Users, check_follower, check_member, user_change_message, user_message};
use crate::error::Result;
use crate::log::{Delivery, Log};

/// Reads, changes and watches users.
#[derive(Debug, Clone)]
pub struct UserApi {
    users: Users,
    log: Log,
    streams: Streams,
}

impl UserApi {
    /// The service over its domain.
    pub fn new(users: Users, log: Log, streams: Streams) -> Self {
        Self { users, log, streams }
    }
}

#[async_trait]
impl UserService for UserApi {
    async fn list_users(
        &self,
        request: Request<v1::ListUsersRequest>,
    ) -> Result<Response<v1::ListUsersResponse>, Status> {
        let (caller, request) = admitted(request, check_member)?;
        let query = parse::list_users(&request)?;
        let size = query.limit;
        let found = self.users.list(&caller, query).await?;
        let (users, cut) = page::fit(found.users.iter().map(user_message), size);
        let next = users.last().filter(|_| cut || found.more);
        let token = |user: &v1::User| page::token("users", &request.filter, &user.id.to_string());
        let next_page_token = next.map(token).unwrap_or_default();
        Ok(Response::new(v1::ListUsersResponse {
            users,
            next_page_token,
            cursor: self.log.cursor(found.position),
        }))
    }

    async fn get_user(&self, request: Request<v1::GetUserRequest>) -> Result<Response<v1::User>, Status> {
        let (caller, request) = admitted(request, check_member)?;
        let id = parse::user_id(request.id, "id")?;
        let user = self.users.get(&caller, id).await?;
        Ok(Response::new(user_message(&user)))
    }

    async fn create_user(
        &self,
        request: Request<v1::CreateUserRequest>,
    ) -> Result<Response<v1::User>, Status> {
        let (caller, request) = admitted(request, |caller| caller.admin("create users"))?;
        let user = parse::create_user(request)?;
        let user = self.users.create(&caller, user).await?;
        Ok(Response::new(user_message(&user)))
    }

    async fn update_user(
        &self,
        request: Request<v1::UpdateUserRequest>,
    ) -> Result<Response<v1::User>, Status> {
        let (caller, request) = admitted(request, Caller::identity)?;
        let (id, patch, etag) = parse::update_user(request)?;
        let user = self.users.update(&caller, id, patch, etag).await?;
        Ok(Response::new(user_message(&user)))
    }

    async fn delete_user(&self, request: Request<v1::DeleteUserRequest>) -> Result<Response<()>, Status> {
        let (caller, request) = admitted(request, |caller| caller.admin("delete users"))?;
        let (id, etag) = parse::delete_user(request)?;
        self.users.delete(&caller, id, etag).await?;
        Ok(Response::new(()))
    }

    type WatchUsersStream = Messages<v1::WatchUsersResponse>;

    async fn watch_users(
        &self,
        request: Request<v1::WatchUsersRequest>,
    ) -> Result<Response<Self::WatchUsersStream>, Status> {
        let (caller, request) = admitted(request, check_follower)?;
        let start = parse::watch_users(&self.log, &request)?;
        let tail = self.users.watch(&caller, start?).await?;
        let log = self.log.clone();
        let render = move |delivery| render(&log, delivery);
        let watch = Watch::new(caller.clone(), move || ready(Users::authorize_watch(&caller)).boxed());
        Ok(Response::new(self.streams.deliver(tail, watch, render)))
    }

    async fn authorize_watch_users(
        &self,
        request: Request<v1::WatchUsersRequest>,
    ) -> Result<Response<()>, Status> {
        let (_, request) = admitted(request, check_follower)?;
        let _ = parse::watch_users(&self.log, &request)?;
        Ok(Response::new(()))
    }
}

fn render(log: &Log, delivery: Delivery) -> Result<v1::WatchUsersResponse> {
    Ok(match delivery {
        Delivery::Position(seq) => {
            v1::WatchUsersResponse { cursor: log.cursor(seq), position: true, ..Default::default() }
        }
        Delivery::Event(event) => v1::WatchUsersResponse {
            cursor: log.cursor(event.seq),
            previous: log.cursor(event.previous),
            ..user_change_message(&event)?
        },
    })
}
