//! An edge as people write it by hand: one axum handler a route, a tonic client, serde structs.

use std::net::SocketAddr;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use lastmile_proto::v1::user_service_client::UserServiceClient;
use lastmile_proto::v1::{GetUserRequest, ListUsersRequest, User};
use serde::Serialize;
use tonic::Status;
use tonic::body::Body;
use tonic::client::GrpcService;
use tonic::codegen::{Body as HttpBody, Bytes, StdError};
use tonic::transport::Channel;

/// Serves in front of a backend until it is killed.
pub(crate) async fn serve(upstream: &str) {
    let channel = Channel::from_shared(format!("http://{upstream}")).expect("an address").connect_lazy();
    listen(router(channel)).await;
}

/// Serves on a free port and prints which.
pub(crate) async fn listen(router: Router) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    announce(listener.local_addr().expect("it is bound"));
    axum::serve(listener, router).await.expect("it runs until it is killed");
}

#[expect(clippy::print_stdout, reason = "the bench reads the address there")]
pub(crate) fn announce(address: SocketAddr) {
    println!("listening {address}");
}

/// The routes, over any client.
pub(crate) fn router<T>(transport: T) -> Router
where
    T: GrpcService<Body, Error: Into<StdError>, Future: Send> + Clone + Send + Sync + 'static,
    T::ResponseBody: HttpBody<Data = Bytes, Error: Into<StdError> + Send> + Send + 'static,
{
    let one = async |State(mut users): State<UserServiceClient<T>>, Path(id): Path<i32>| {
        let user = users.get_user(GetUserRequest { id }).await.map_err(|status| refuse(&status))?;
        Ok::<_, Refusal>(Json(UserJson::from(user.into_inner())))
    };
    let all = async |State(mut users): State<UserServiceClient<T>>| {
        let list = users.list_users(ListUsersRequest::default()).await.map_err(|status| refuse(&status))?;
        Ok::<_, Refusal>(Json(list.into_inner().users.into_iter().map(UserJson::from).collect::<Vec<_>>()))
    };
    Router::new()
        .route("/api/v1/users/{id}", get(one))
        .route("/api/users", get(all))
        .with_state(UserServiceClient::new(transport))
}

type Refusal = (StatusCode, String);

fn refuse(status: &Status) -> Refusal {
    (StatusCode::BAD_GATEWAY, status.message().to_owned())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UserJson {
    id: i32,
    name: String,
    tags: Vec<String>,
    username: String,
    email: String,
    role: String,
    create_time: Option<String>,
    update_time: Option<String>,
    etag: String,
}

impl From<User> for UserJson {
    fn from(user: User) -> Self {
        Self {
            id: user.id,
            name: user.name,
            tags: user.tags,
            username: user.username,
            email: user.email,
            role: user.role,
            create_time: user.create_time.map(|time| time.to_string()),
            update_time: user.update_time.map(|time| time.to_string()),
            etag: user.etag,
        }
    }
}
