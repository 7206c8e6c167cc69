//! Tokens that are revoked: by what, where they are refused, who is told.

use futures_util::future::join_all;
use lastmile_proto::edge::v1::watch_revocations_response::Target;
use lastmile_proto::edge::v1::{WatchRevocationsRequest, WatchRevocationsResponse};
use lastmile_proto::v1;
use prost_types::FieldMask;
use tonic::{Code, Status, Streaming};

use crate::harness::{PASSWORD, Server, assert_refused, next, refusal, with_token};

async fn set_role(server: &Server, admin: &str, id: i32, role: &str) -> Result<(), Status> {
    let user = v1::User { id, role: role.into(), ..Default::default() };
    let update_mask = Some(FieldMask { paths: vec!["role".into()] });
    let request = v1::UpdateUserRequest { user: Some(user), update_mask };
    server.users().update_user(with_token(request, admin)).await.map(drop)
}

async fn delete(server: &Server, admin: &str, id: i32) -> Result<(), Status> {
    let request = v1::DeleteUserRequest { id, ..Default::default() };
    server.users().delete_user(with_token(request, admin)).await.map(drop)
}

async fn logout(server: &Server, refresh_token: &str) {
    let request = v1::LogoutRequest { refresh_token: refresh_token.into() };
    server.auth().logout(request).await.unwrap();
}

async fn follow(server: &Server, token: &str) -> Streaming<v1::SubscribeResponse> {
    let request = v1::SubscribeRequest { topic: "news".into(), ..Default::default() };
    let mut stream = server.topics().subscribe(with_token(request, token)).await.unwrap().into_inner();
    assert!(next(&mut stream).await.position);
    stream
}

/// Revocations as an edge without a credential sees them.
async fn watch(server: &Server) -> Streaming<WatchRevocationsResponse> {
    server.edge_identity().watch_revocations(WatchRevocationsRequest {}).await.unwrap().into_inner()
}

/// What is in force, up to the message that says so.
async fn in_force(stream: &mut Streaming<WatchRevocationsResponse>) -> Vec<Target> {
    let mut targets = Vec::new();
    while let Some(target) = next(stream).await.target {
        targets.push(target);
    }
    targets
}

#[tokio::test]
async fn whatever_revokes_a_token_ends_its_calls_and_its_streams_for_good() {
    let (server, folder) = Server::start().await;
    let admin = server.token("admin").await;
    let [out, reused, deleted, other, another] =
        ["alice", "alice", "bob", "alice", "alice"].map(|name| server.login(name));
    // The sign-out and the reuse come first: they leave alice's other sessions alone.
    let sessions = [out.await, reused.await, deleted.await, other.await, another.await];
    let service = server.service_token("service", &[]).await;
    let mut tokens: Vec<String> = sessions.iter().map(|session| session.access_token.clone()).collect();
    tokens.push(service.token.clone());
    let rotated = server.refresh(&sessions[1].refresh_token).await.unwrap();
    let caller = server.token("alice").await;
    let mut streams = Vec::new();
    for token in &tokens {
        streams.push(follow(&server, token).await);
    }
    let mut bystander = follow(&server, &caller).await;

    logout(&server, &sessions[0].refresh_token).await;
    assert_revoked(&server, &tokens, &mut streams, 0).await;
    server.refresh(&sessions[1].refresh_token).await.unwrap_err();
    assert_revoked(&server, &tokens, &mut streams, 1).await;
    delete(&server, &admin, 2).await.unwrap();
    assert_revoked(&server, &tokens, &mut streams, 2).await;
    let request =
        v1::ChangePasswordRequest { current_password: PASSWORD.into(), new_password: "another one".into() };
    server.auth().change_password(with_token(request, &caller)).await.unwrap();
    assert_revoked(&server, &tokens, &mut streams, 3).await;
    assert_revoked(&server, &tokens, &mut streams, 4).await;
    let request = v1::RevokeServiceTokenRequest { id: service.id };
    server.auth().revoke_service_token(with_token(request, &admin)).await.unwrap();
    assert_revoked(&server, &tokens, &mut streams, 5).await;

    // The stream of a token that is still good has seen all that and goes on.
    server.publish(&caller, "still here").await;
    assert!(!next(&mut bystander).await.position);
    set_role(&server, &admin, 1, "admin").await.unwrap();
    let status = bystander.message().await.unwrap_err();
    assert_eq!(refusal(&status).1, "TOKEN_REVOKED");

    server.stop().await;
    let server = Server::start_in(folder.path()).await;
    tokens.extend([rotated.access_token, caller]);
    for token in &tokens {
        let refused = server.identity(token).await;
        assert_refused(refused, Code::Unauthenticated, "TOKEN_REVOKED", &[]);
    }
    assert!(server.identity(&admin).await.is_ok());
}

/// The token of this number, and only now its stream, is refused.
async fn assert_revoked(
    server: &Server,
    tokens: &[String],
    streams: &mut [Streaming<v1::SubscribeResponse>],
    index: usize,
) {
    let refused = server.identity(&tokens[index]).await;
    assert_refused(refused, Code::Unauthenticated, "TOKEN_REVOKED", &[]);
    let status = streams[index].message().await.unwrap_err();
    assert_eq!(refusal(&status), (Code::Unauthenticated, "TOKEN_REVOKED".to_owned(), vec![]), "{index}");
}

#[tokio::test]
async fn a_new_role_comes_with_the_next_refresh() {
    let (server, _folder) = Server::start().await;
    let admin = server.token("admin").await;
    let bob = server.login("bob").await;
    set_role(&server, &admin, 2, "user").await.unwrap();
    assert!(server.identity(&bob.access_token).await.is_ok(), "the role is the same");
    set_role(&server, &admin, 2, "admin").await.unwrap();
    let refused = server.identity(&bob.access_token).await;
    assert_refused(refused, Code::Unauthenticated, "TOKEN_REVOKED", &[]);

    // An edge sends the access token of the cookie along.
    let request = v1::RefreshRequest { refresh_token: bob.refresh_token };
    let request = with_token(request, &bob.access_token);
    let next = server.auth().refresh(request).await.unwrap().into_inner();
    assert_eq!(next.user.unwrap().role, "admin");
    assert_eq!(server.identity(&next.access_token).await.unwrap().role, "admin");
}

#[tokio::test]
async fn the_last_administrator_stays() {
    let (server, _folder) = Server::start().await;
    let admin = server.token("admin").await;
    let refused = set_role(&server, &admin, 3, "user").await;
    assert_refused(refused, Code::FailedPrecondition, "LAST_ADMIN", &[]);
    assert_refused(delete(&server, &admin, 3).await, Code::FailedPrecondition, "LAST_ADMIN", &[]);
    assert!(server.identity(&admin).await.is_ok(), "a refused change revokes nothing");
    set_role(&server, &admin, 1, "admin").await.unwrap();
    delete(&server, &admin, 3).await.unwrap();
    let alice = server.token("alice").await;
    assert_refused(set_role(&server, &alice, 1, "user").await, Code::FailedPrecondition, "LAST_ADMIN", &[]);
}

#[tokio::test]
async fn of_many_uses_of_a_refresh_token_one_wins_and_the_session_ends() {
    let (server, _folder) = Server::start().await;
    let first = server.login("alice").await;
    let uses = join_all((0..8).map(|_| server.refresh(&first.refresh_token))).await;
    let (won, lost): (Vec<_>, Vec<_>) = uses.into_iter().partition(Result::is_ok);
    assert_eq!(won.len(), 1);
    let reasons: Vec<_> = lost.into_iter().map(|status| refusal(&status.unwrap_err()).1).collect();
    assert_eq!(reasons.iter().filter(|reason| *reason == "TOKEN_REUSED").count(), 1, "{reasons:?}");

    let winner = won.into_iter().next().unwrap().unwrap();
    let refused = server.refresh(&winner.refresh_token).await;
    assert_refused(refused, Code::Unauthenticated, "TOKEN_INVALID", &[]);
    for token in [first.access_token, winner.access_token] {
        let refused = server.identity(&token).await;
        assert_refused(refused, Code::Unauthenticated, "TOKEN_REVOKED", &[]);
    }
}

#[tokio::test]
async fn edges_are_told_what_is_in_force_and_then_what_follows() {
    let (server, folder) = Server::start().await;
    let admin = server.token("admin").await;
    let mut early = watch(&server).await;
    assert_eq!(in_force(&mut early).await, []);
    let service = server.service_token("service", &[]).await;
    let request = v1::RevokeServiceTokenRequest { id: service.id.clone() };
    server.auth().revoke_service_token(with_token(request, &admin)).await.unwrap();
    delete(&server, &admin, 2).await.unwrap();
    let expected = [Target::TokenId(service.id), Target::Subject("2".into())];
    for target in &expected {
        let told = next(&mut early).await;
        assert_eq!(told.target.as_ref(), Some(target));
        assert!(told.expire_time.unwrap().seconds > told.time.unwrap().seconds);
    }
    let mut late = watch(&server).await;
    assert_eq!(in_force(&mut late).await, expected);
    logout(&server, &server.login("alice").await.refresh_token).await;
    let told = next(&mut late).await;
    assert!(matches!(told.target, Some(Target::TokenId(_))), "{told:?}");
    assert_eq!(next(&mut early).await, told);

    server.core.drain();
    assert_eq!(refusal(&late.message().await.unwrap_err()).1, "SHUTTING_DOWN");
    server.stop().await;
    let server = Server::start_in(folder.path()).await;
    assert_eq!(in_force(&mut watch(&server).await).await.len(), 3);
}
