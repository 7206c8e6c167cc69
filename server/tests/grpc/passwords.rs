//! ChangePassword.

use lastmile_proto::v1;
use tonic::{Code, Status};

use crate::harness::{PASSWORD, Server, assert_refused, with_token};

const NEW: &str = "another password";

async fn change(server: &Server, token: &str, current: &str, new: &str) -> Result<(), Status> {
    let request = v1::ChangePasswordRequest { current_password: current.into(), new_password: new.into() };
    server.auth().change_password(with_token(request, token)).await.map(drop)
}

async fn login(server: &Server, password: &str) -> Result<(), Status> {
    let request = v1::LoginRequest { username: "alice".into(), password: password.into() };
    server.auth().login(request).await.map(drop)
}

#[tokio::test]
async fn a_new_password_ends_all_other_sessions() {
    let (server, _folder) = Server::start().await;
    let other = server.login("alice").await;
    let bob = server.token("bob").await;
    let mine = server.refresh(&server.login("alice").await.refresh_token).await.unwrap();

    change(&server, &mine.access_token, PASSWORD, NEW).await.unwrap();
    let refused = server.identity(&other.access_token).await;
    assert_refused(refused, Code::Unauthenticated, "TOKEN_REVOKED", &[]);
    let refused = server.refresh(&other.refresh_token).await;
    assert_refused(refused, Code::Unauthenticated, "TOKEN_INVALID", &[]);
    assert!(server.identity(&mine.access_token).await.is_ok(), "the caller's own session goes on");
    assert!(server.refresh(&mine.refresh_token).await.is_ok());
    assert!(server.identity(&bob).await.is_ok());
    assert_refused(login(&server, PASSWORD).await, Code::Unauthenticated, "LOGIN_FAILED", &[]);
    assert!(login(&server, NEW).await.is_ok());
}

#[tokio::test]
async fn passwords_that_do_not_fit_change_nothing() {
    let (server, _folder) = Server::start().await;
    let other = server.login("alice").await;
    let alice = server.token("alice").await;
    for (current, new, fields) in [
        ("not the password", NEW, &["current_password"][..]),
        (PASSWORD, PASSWORD, &["new_password"]),
        ("", "short", &["current_password", "new_password"]),
        (PASSWORD, &"x".repeat(257), &["new_password"]),
    ] {
        let refused = change(&server, &alice, current, new).await;
        assert_refused(refused, Code::InvalidArgument, "FIELD_INVALID", fields);
    }
    assert!(server.refresh(&other.refresh_token).await.is_ok());
    assert!(login(&server, PASSWORD).await.is_ok());
}

#[tokio::test]
async fn only_people_have_passwords() {
    let (server, _folder) = Server::start().await;
    let request = v1::ChangePasswordRequest { current_password: PASSWORD.into(), new_password: NEW.into() };
    let anonymous = server.auth().change_password(request).await;
    assert_refused(anonymous, Code::Unauthenticated, "LOGIN_REQUIRED", &[]);
    for role in ["service", "edge"] {
        let token = server.service_token(role, &[]).await.token;
        let refused = change(&server, &token, PASSWORD, NEW).await;
        assert_refused(refused, Code::PermissionDenied, "FORBIDDEN", &[]);
    }
}

#[tokio::test]
async fn of_two_changes_at_once_one_is_made() {
    let (server, _folder) = Server::start().await;
    let alice = server.token("alice").await;
    let (first, second) = tokio::join!(
        change(&server, &alice, PASSWORD, "the first password"),
        change(&server, &alice, PASSWORD, "the second password"),
    );
    let (lost, kept, gone) = match (first, second) {
        (Ok(()), Err(lost)) => (lost, "the first password", "the second password"),
        (Err(lost), Ok(())) => (lost, "the second password", "the first password"),
        other => panic!("{other:?}"),
    };
    // Whoever comes after the other one's commit gives a wrong password.
    assert!(matches!(lost.code(), Code::Aborted | Code::InvalidArgument), "{lost:?}");
    assert!(login(&server, kept).await.is_ok());
    assert_refused(login(&server, gone).await, Code::Unauthenticated, "LOGIN_FAILED", &[]);
}
