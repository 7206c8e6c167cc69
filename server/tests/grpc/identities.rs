//! Signing in, staying signed in, signing out; keys.

use std::sync::Arc;
use std::time::Duration;

use lastmile_proto::v1;
use lastmile_server::auth::Passwords;
use lastmile_server::config::CoreConfig;
use lastmile_server::domain::{SetUp, Standing, Users};
use lastmile_server::log::Log;
use lastmile_server::store::{SqliteStore, Store};
use tonic::{Code, Request};

use crate::harness::{PASSWORD, Server, assert_refused, with_token};

fn login(username: &str, password: &str) -> v1::LoginRequest {
    v1::LoginRequest { username: username.into(), password: password.into() }
}

#[tokio::test]
async fn login_gives_tokens_and_identity() {
    let (server, _folder) = Server::start().await;
    let session = server.login("alice").await;
    let user = session.user.unwrap();
    assert_eq!((user.id, user.name.as_str(), user.role.as_str()), (1, "Alice", "user"));

    let request = with_token(v1::GetIdentityRequest {}, &session.access_token);
    let identity = server.auth().get_identity(request).await.unwrap().into_inner();
    assert_eq!((identity.subject.as_str(), identity.role.as_str()), ("1", "user"));
    assert_eq!(identity.user.unwrap().username, "alice");
    assert_eq!(identity.expire_time, session.expire_time);
}

#[tokio::test]
async fn wrong_credentials_are_refused_alike() {
    let (server, _folder) = Server::start().await;
    let mut auth = server.auth();
    for request in [login("alice", "wrong-password"), login("nobody", PASSWORD)] {
        assert_refused(auth.login(request).await, Code::Unauthenticated, "LOGIN_FAILED", &[]);
    }
    let empty = auth.login(login("", "")).await;
    assert_refused(empty, Code::InvalidArgument, "FIELD_INVALID", &["username", "password"]);
}

#[tokio::test]
async fn bad_tokens_never_become_anonymous() {
    let (server, _folder) = Server::start().await;
    let good = server.token("alice").await;
    let forged = format!("{}AAAA", &good[..good.len() - 4]);
    // `news` is open to anyone, and still a bad token is refused.
    let ask = || v1::GetTopicRequest { name: "news".into() };
    assert!(server.topics().get_topic(ask()).await.is_ok());
    for token in [forged.as_str(), "garbage", ""] {
        let answer = server.topics().get_topic(with_token(ask(), token)).await;
        assert_refused(answer, Code::Unauthenticated, "TOKEN_INVALID", &[]);
    }
    let mut basic = Request::new(ask());
    basic.metadata_mut().insert("authorization", "Basic YTpi".parse().unwrap());
    assert_refused(server.topics().get_topic(basic).await, Code::Unauthenticated, "TOKEN_INVALID", &[]);
    let mut twice = with_token(ask(), &good);
    twice.metadata_mut().append("authorization", format!("Bearer {good}").parse().unwrap());
    assert_refused(server.topics().get_topic(twice).await, Code::Unauthenticated, "TOKEN_INVALID", &[]);
}

#[tokio::test]
async fn expired_tokens_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let config = CoreConfig {
        data: folder.path().to_owned(),
        dev: true,
        access_token_lifetime: Duration::ZERO,
        ..CoreConfig::default()
    };
    let server = Server::start_with(config).await;
    let token = server.token("alice").await;
    // A token counts in seconds: it is over when the next one begins.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let answer = server.auth().get_identity(with_token(v1::GetIdentityRequest {}, &token)).await;
    assert_refused(answer, Code::Unauthenticated, "TOKEN_EXPIRED", &[]);
}

#[tokio::test]
async fn refresh_rotates_and_reuse_ends_the_family() {
    let (server, _folder) = Server::start().await;
    let mut auth = server.auth();
    let mut refresh =
        async |token: &str| auth.refresh(v1::RefreshRequest { refresh_token: token.into() }).await;
    let first = server.login("alice").await.refresh_token;
    let other_login = server.login("alice").await.refresh_token;

    let second = refresh(&first).await.unwrap().into_inner();
    assert_ne!(second.refresh_token, first);
    assert_eq!(second.user.unwrap().username, "alice");
    let third = refresh(&second.refresh_token).await.unwrap().into_inner().refresh_token;

    assert_refused(refresh(&first).await, Code::Unauthenticated, "TOKEN_REUSED", &[]);
    assert_refused(refresh(&third).await, Code::Unauthenticated, "TOKEN_INVALID", &[]);
    assert!(refresh(&other_login).await.is_ok(), "another login of the same user must go on");
    assert_refused(refresh("made-up").await, Code::Unauthenticated, "TOKEN_INVALID", &[]);
    assert_refused(refresh("").await, Code::InvalidArgument, "FIELD_INVALID", &["refresh_token"]);
}

#[tokio::test]
async fn logout_ends_the_session() {
    let (server, _folder) = Server::start().await;
    let mut auth = server.auth();
    let token = server.login("alice").await.refresh_token;
    auth.logout(v1::LogoutRequest { refresh_token: token.clone() }).await.unwrap();
    let answer = auth.refresh(v1::RefreshRequest { refresh_token: token }).await;
    assert_refused(answer, Code::Unauthenticated, "TOKEN_INVALID", &[]);
    for harmless in ["", "unknown"] {
        auth.logout(v1::LogoutRequest { refresh_token: harmless.into() }).await.unwrap();
    }
}

#[tokio::test]
async fn keys_stay_over_a_restart() {
    let (server, folder) = Server::start().await;
    let token = server.token("bob").await;
    let jwks = server.jwks().await;
    server.stop().await;
    let server = Server::start_in(folder.path()).await;
    assert_eq!(server.jwks().await, jwks);
    assert!(server.auth().get_identity(with_token(v1::GetIdentityRequest {}, &token)).await.is_ok());
}

#[tokio::test]
async fn first_start_without_demo_data_takes_the_given_password() {
    let folder = tempfile::tempdir().unwrap();
    let password = "a long password".to_owned();
    let data = folder.path().to_owned();
    let config = CoreConfig { data, admin_password: Some(password.clone().into()), ..CoreConfig::default() };
    let server = Server::start_with(config).await;
    let user = server.auth().login(login("admin", &password)).await.unwrap().into_inner().user.unwrap();
    assert_eq!(user.role, "admin");
    let demo = server.auth().login(login("alice", PASSWORD)).await;
    assert_refused(demo, Code::Unauthenticated, "LOGIN_FAILED", &[]);
    let request = v1::SetUpRequest {
        setup_token: "guess".into(),
        password: "another long one".into(),
        ..Default::default()
    };
    assert_refused(server.auth().set_up(request).await, Code::Unauthenticated, "TOKEN_INVALID", &[]);
}

#[tokio::test]
async fn a_set_up_whose_caller_leaves_is_made_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(folder.path(), false).unwrap());
    let log = Log::new(Arc::clone(&store) as _);
    let users = Users::new(Arc::clone(&store), log, Passwords::new().unwrap(), Standing::default());
    let (setup, token) = SetUp::open(users);
    let mut left = Box::pin(setup.run(&token, "root".to_owned(), "a long password".to_owned()));
    assert!(futures_util::poll!(&mut left).is_pending());
    drop(left);
    let made = async {
        while store.credentials("root").await.unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), made).await.expect("nobody can be an administrator");
}

#[tokio::test]
async fn an_expired_token_beside_a_refresh_token_does_not_matter() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_owned();
    let access_token_lifetime = Duration::from_secs(1);
    let config = CoreConfig { data, dev: true, access_token_lifetime, ..CoreConfig::default() };
    let server = Server::start_with(config).await;
    let session = server.login("alice").await;
    while server.identity(&session.access_token).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let request = v1::RefreshRequest { refresh_token: session.refresh_token };
    let answer = server.auth().refresh(with_token(request, &session.access_token)).await;
    assert!(answer.is_ok(), "{answer:?}");
}
