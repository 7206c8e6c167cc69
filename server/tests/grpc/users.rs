//! Users: reading, changing, watching.

use lastmile_proto::v1;
use prost_types::FieldMask;
use tonic::{Code, Status};
use v1::watch_users_response::Change;

use crate::harness::{Server, assert_refused, next, with_token};

fn creation(username: &str) -> v1::CreateUserRequest {
    let user = v1::User {
        username: username.into(),
        name: "Carol".into(),
        tags: vec!["b".into(), "a".into()],
        ..Default::default()
    };
    v1::CreateUserRequest { user: Some(user), password: "long enough".into() }
}

fn update(user: v1::User, paths: &[&str]) -> v1::UpdateUserRequest {
    let paths = paths.iter().map(ToString::to_string).collect();
    v1::UpdateUserRequest { user: Some(user), update_mask: Some(FieldMask { paths }) }
}

async fn list(
    server: &Server,
    token: &str,
    request: v1::ListUsersRequest,
) -> Result<v1::ListUsersResponse, Status> {
    server.users().list_users(with_token(request, token)).await.map(tonic::Response::into_inner)
}

async fn names(server: &Server, token: &str) -> Vec<String> {
    let page = list(server, token, v1::ListUsersRequest::default()).await.unwrap();
    page.users.into_iter().map(|user| user.username).collect()
}

#[tokio::test]
async fn lists_are_paged_and_filtered() {
    let (server, _folder) = Server::start().await;
    let token = server.token("alice").await;
    let page = v1::ListUsersRequest { page_size: 2, ..Default::default() };
    let first = list(&server, &token, page.clone()).await.unwrap();
    assert_eq!(first.users.iter().map(|user| user.id).collect::<Vec<_>>(), [1, 2]);
    let second = v1::ListUsersRequest { page_token: first.next_page_token.clone(), ..page.clone() };
    let second = list(&server, &token, second).await.unwrap();
    assert_eq!(second.users.iter().map(|user| user.id).collect::<Vec<_>>(), [3]);
    assert_eq!(second.next_page_token, "");

    for (filter, expected) in [
        ("role=admin", &["admin"][..]),
        ("name:LI", &["alice"]),
        ("tag=vue", &["alice"]),
        ("name:\"%\"", &[]),
        ("username:b AND role=user", &["bob"]),
        ("email=bob@example.com", &["bob"]),
    ] {
        let request = v1::ListUsersRequest { filter: filter.into(), ..Default::default() };
        let found = list(&server, &token, request).await.unwrap();
        assert_eq!(
            found.users.iter().map(|user| user.username.as_str()).collect::<Vec<_>>(),
            expected,
            "{filter}"
        );
    }

    let other_filter =
        v1::ListUsersRequest { page_token: first.next_page_token, filter: "role=user".into(), ..page };
    let answer = list(&server, &token, other_filter).await;
    assert_refused(answer, Code::InvalidArgument, "FIELD_INVALID", &["page_token"]);
    let bad = v1::ListUsersRequest { page_size: -1, filter: "age>3".into(), ..Default::default() };
    let answer = list(&server, &token, bad).await;
    assert_refused(answer, Code::InvalidArgument, "FIELD_INVALID", &["page_size", "filter"]);
}

#[tokio::test]
async fn users_are_created_read_changed_and_deleted() {
    let (server, _folder) = Server::start().await;
    let admin = server.token("admin").await;
    let mut users = server.users();
    let carol = users.create_user(with_token(creation("carol"), &admin)).await.unwrap().into_inner();
    assert_eq!((carol.id, carol.role.as_str()), (4, "user"));
    assert_eq!(carol.tags, ["b", "a"]);

    let change =
        v1::User { id: carol.id, email: "c@example.com".into(), etag: carol.etag.clone(), ..carol.clone() };
    let changed =
        users.update_user(with_token(update(change, &["email"]), &admin)).await.unwrap().into_inner();
    assert_eq!((changed.email.as_str(), changed.name.as_str()), ("c@example.com", "Carol"));
    assert_ne!(changed.etag, carol.etag);
    let read = users.get_user(with_token(v1::GetUserRequest { id: carol.id }, &admin)).await.unwrap();
    assert_eq!(read.into_inner(), changed);

    let stale = v1::DeleteUserRequest { id: carol.id, etag: carol.etag };
    let answer = users.delete_user(with_token(stale, &admin)).await;
    assert_refused(answer, Code::Aborted, "ETAG_MISMATCH", &[]);
    let fresh = v1::DeleteUserRequest { id: carol.id, etag: changed.etag };
    users.delete_user(with_token(fresh, &admin)).await.unwrap();
    let answer = users.get_user(with_token(v1::GetUserRequest { id: carol.id }, &admin)).await;
    assert_refused(answer, Code::NotFound, "USER_NOT_FOUND", &[]);
    // An id is never given twice.
    let next = users.create_user(with_token(creation("dave"), &admin)).await.unwrap().into_inner();
    assert_eq!(next.id, carol.id + 1);
}

#[tokio::test]
async fn a_deleted_user_is_signed_out() {
    let (server, _folder) = Server::start().await;
    let admin = server.token("admin").await;
    let bob = server.login("bob").await;
    let deletion = v1::DeleteUserRequest { id: 2, ..Default::default() };
    server.users().delete_user(with_token(deletion, &admin)).await.unwrap();
    let refresh = server.auth().refresh(v1::RefreshRequest { refresh_token: bob.refresh_token }).await;
    assert_refused(refresh, Code::Unauthenticated, "TOKEN_INVALID", &[]);
    let me = server.auth().get_identity(with_token(v1::GetIdentityRequest {}, &bob.access_token)).await;
    assert_refused(me, Code::Unauthenticated, "TOKEN_REVOKED", &[]);
}

#[tokio::test]
async fn roles_are_enforced() {
    let (server, _folder) = Server::start().await;
    let alice = server.token("alice").await;
    let mut users = server.users();
    let anonymous = users.list_users(v1::ListUsersRequest::default()).await;
    assert_refused(anonymous, Code::Unauthenticated, "LOGIN_REQUIRED", &[]);
    let anonymous = users.watch_users(v1::WatchUsersRequest::default()).await;
    assert_refused(anonymous, Code::Unauthenticated, "LOGIN_REQUIRED", &[]);
    let anonymous = users.authorize_watch_users(v1::WatchUsersRequest::default()).await;
    assert_refused(anonymous, Code::Unauthenticated, "LOGIN_REQUIRED", &[]);

    let forbidden = users.create_user(with_token(creation("carol"), &alice)).await;
    assert_refused(forbidden, Code::PermissionDenied, "FORBIDDEN", &[]);
    let bob = v1::DeleteUserRequest { id: 2, ..Default::default() };
    assert_refused(
        users.delete_user(with_token(bob, &alice)).await,
        Code::PermissionDenied,
        "FORBIDDEN",
        &[],
    );
    for (user, path) in [
        (v1::User { id: 2, name: "Bobby".into(), ..Default::default() }, "name"),
        (v1::User { id: 1, role: "admin".into(), ..Default::default() }, "role"),
    ] {
        let answer = users.update_user(with_token(update(user, &[path]), &alice)).await;
        assert_refused(answer, Code::PermissionDenied, "FORBIDDEN", &[]);
    }
    let own = v1::User { id: 1, name: "Alice B.".into(), ..Default::default() };
    assert_eq!(
        users.update_user(with_token(update(own, &["name"]), &alice)).await.unwrap().into_inner().name,
        "Alice B."
    );
    assert_eq!(names(&server, &alice).await, ["alice", "bob", "admin"]);
}

#[tokio::test]
async fn bad_input_names_its_fields_and_writes_nothing() {
    let (server, _folder) = Server::start().await;
    let admin = server.token("admin").await;
    let before = list(&server, &admin, v1::ListUsersRequest::default()).await.unwrap();
    let mut users = server.users();

    let taken = users.create_user(with_token(creation("alice"), &admin)).await;
    assert_refused(taken, Code::AlreadyExists, "USERNAME_TAKEN", &["user.username"]);
    let mut bad = creation("Not A Name");
    bad.password = "short".into();
    let bad = users.create_user(with_token(bad, &admin)).await;
    assert_refused(bad, Code::InvalidArgument, "FIELD_INVALID", &["user.username", "password"]);
    let alice = v1::User { id: 1, name: "X".into(), ..Default::default() };
    let nothing = v1::User { id: 1, ..Default::default() };
    for (user, paths) in [
        (&alice, &["nmae"][..]),
        (&alice, &["user.name"]),
        (&alice, &["username"]),
        // An empty mask is for the fields that are set, and none is.
        (&nothing, &[]),
    ] {
        let answer = users.update_user(with_token(update(user.clone(), paths), &admin)).await;
        let (code, reason, fields) = crate::harness::refusal(&answer.unwrap_err());
        assert_eq!((code, reason.as_str()), (Code::InvalidArgument, "FIELD_INVALID"));
        assert!(fields.iter().all(|field| field == "update_mask"), "{fields:?}");
    }
    let stale = v1::User { etag: "v9".into(), ..alice };
    let stale = users.update_user(with_token(update(stale, &["name"]), &admin)).await;
    assert_refused(stale, Code::Aborted, "ETAG_MISMATCH", &[]);

    // The cursor shows that no event was written either.
    assert_eq!(list(&server, &admin, v1::ListUsersRequest::default()).await.unwrap(), before);
}

#[tokio::test]
async fn watching_continues_from_a_list_without_a_gap() {
    let (server, folder) = Server::start().await;
    let admin = server.token("admin").await;
    let cursor = list(&server, &admin, v1::ListUsersRequest::default()).await.unwrap().cursor;
    let mut users = server.users();
    let carol = users.create_user(with_token(creation("carol"), &admin)).await.unwrap().into_inner();

    let request = v1::WatchUsersRequest { cursor: cursor.clone() };
    let mut stream = users.watch_users(with_token(request, &admin)).await.unwrap().into_inner();
    let position = next(&mut stream).await;
    assert!(position.position && position.change.is_none());
    assert_eq!(position.cursor, cursor);
    let created = next(&mut stream).await;
    assert_eq!(created.previous, cursor);
    assert!(matches!(&created.change, Some(Change::UserCreated(each)) if each.user.as_ref() == Some(&carol)));

    let change = update(v1::User { name: "Caro".into(), ..carol.clone() }, &["name"]);
    users.update_user(with_token(change, &admin)).await.unwrap();
    users
        .delete_user(with_token(v1::DeleteUserRequest { id: carol.id, etag: String::new() }, &admin))
        .await
        .unwrap();
    let updated = next(&mut stream).await;
    assert!(
        matches!(&updated.change, Some(Change::UserUpdated(each)) if each.user.as_ref().unwrap().name == "Caro")
    );
    let resume = updated.cursor;
    assert!(matches!(next(&mut stream).await.change, Some(Change::UserDeleted(each)) if each.id == carol.id));

    drop(stream);
    server.stop().await;
    let server = Server::start_in(folder.path()).await;
    let request = with_token(v1::WatchUsersRequest { cursor: resume.clone() }, &admin);
    let mut stream = server.users().watch_users(request).await.unwrap().into_inner();
    assert_eq!(next(&mut stream).await.cursor, resume);
    assert!(matches!(next(&mut stream).await.change, Some(Change::UserDeleted(_))));
}
