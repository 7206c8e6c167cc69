//! Service tokens: who may issue them, what they may do.

use lastmile_proto::v1;
use lastmile_server::store::{backup, restore};
use prost_types::Duration;
use tonic::{Code, Request, Status};

use crate::harness::{Server, assert_refused, publication, with_token};

const DAY: i64 = 24 * 60 * 60;

fn creation() -> v1::CreateServiceTokenRequest {
    v1::CreateServiceTokenRequest { name: "billing".into(), role: "service".into(), ..Default::default() }
}

async fn create(
    server: &Server,
    request: Request<v1::CreateServiceTokenRequest>,
) -> Result<v1::CreateServiceTokenResponse, Status> {
    server.auth().create_service_token(request).await.map(tonic::Response::into_inner)
}

#[tokio::test]
async fn services_and_edges_have_an_identity_of_their_own() {
    let (server, _folder) = Server::start().await;
    for role in ["service", "edge"] {
        let created = server.service_token(role, &[]).await;
        let identity = server.identity(&created.token).await.unwrap();
        assert_eq!((identity.subject, identity.role), (created.id, role.to_owned()));
        assert_eq!(identity.user, None);
        assert_eq!(identity.expire_time, created.expire_time);
    }
}

#[tokio::test]
async fn a_token_of_some_topics_is_for_those_alone() {
    let (server, _folder) = Server::start().await;
    let token = server.service_token("service", &["news"]).await.token;
    let publish = async |topic: &str| {
        server.topics().publish_event(with_token(publication(topic, "note", "x"), &token)).await
    };
    assert!(publish("news").await.is_ok());
    assert_refused(publish("ticks").await, Code::PermissionDenied, "FORBIDDEN", &[]);
    let users = server.users().list_users(with_token(v1::ListUsersRequest::default(), &token)).await;
    assert_refused(users, Code::PermissionDenied, "FORBIDDEN", &[]);
    let edge = server.service_token("edge", &[]).await.token;
    let event = with_token(publication("news", "note", "x"), &edge);
    let refused = server.topics().publish_event(event).await;
    assert_refused(refused, Code::PermissionDenied, "FORBIDDEN", &[]);
}

#[tokio::test]
async fn only_administrators_issue_and_revoke() {
    let (server, _folder) = Server::start().await;
    let revocation = || v1::RevokeServiceTokenRequest { id: "any".into() };
    let refused = create(&server, Request::new(creation())).await;
    assert_refused(refused, Code::Unauthenticated, "LOGIN_REQUIRED", &[]);
    let refused = server.auth().revoke_service_token(revocation()).await;
    assert_refused(refused, Code::Unauthenticated, "LOGIN_REQUIRED", &[]);
    let service = server.service_token("service", &[]).await.token;
    let edge = server.service_token("edge", &[]).await.token;
    for token in [server.token("alice").await, service, edge] {
        let refused = create(&server, with_token(creation(), &token)).await;
        assert_refused(refused, Code::PermissionDenied, "FORBIDDEN", &[]);
        let refused = server.auth().revoke_service_token(with_token(revocation(), &token)).await;
        assert_refused(refused, Code::PermissionDenied, "FORBIDDEN", &[]);
    }
}

#[tokio::test]
async fn bad_requests_name_all_their_fields() {
    let (server, _folder) = Server::start().await;
    let admin = server.token("admin").await;
    let topics = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    let ttl = |seconds, nanos| Some(Duration { seconds, nanos });
    for (request, fields) in [
        (v1::CreateServiceTokenRequest::default(), &["name", "role"][..]),
        (
            v1::CreateServiceTokenRequest { name: "x".repeat(65), role: "admin".into(), ..creation() },
            &["name", "role"],
        ),
        (
            v1::CreateServiceTokenRequest { role: "user".into(), ttl: ttl(59, 0), ..creation() },
            &["role", "ttl"],
        ),
        (
            v1::CreateServiceTokenRequest { topics: topics(&["a", "b c", "a"]), ..creation() },
            &["topics[1]", "topics[2]"],
        ),
        (v1::CreateServiceTokenRequest { ttl: ttl(400 * DAY, 1), ..creation() }, &["ttl"]),
        (v1::CreateServiceTokenRequest { ttl: ttl(-60, 0), ..creation() }, &["ttl"]),
    ] {
        let refused = create(&server, with_token(request, &admin)).await;
        assert_refused(refused, Code::InvalidArgument, "FIELD_INVALID", fields);
    }
    let many = (0..65).map(|n| n.to_string()).collect();
    let request = v1::CreateServiceTokenRequest { topics: many, ..creation() };
    let refused = create(&server, with_token(request, &admin)).await;
    assert_refused(refused, Code::InvalidArgument, "FIELD_INVALID", &["topics"]);
    let request = with_token(v1::RevokeServiceTokenRequest { id: "a b".into() }, &admin);
    let refused = server.auth().revoke_service_token(request).await;
    assert_refused(refused, Code::InvalidArgument, "FIELD_INVALID", &["id"]);
}

#[tokio::test]
async fn the_largest_and_longest_token_can_be_used() {
    let (server, _folder) = Server::start().await;
    let admin = server.token("admin").await;
    let topics = (0..64).map(|n| format!("{n:x>128}")).collect();
    let ttl = Some(Duration { seconds: 400 * DAY, nanos: 0 });
    let largest = v1::CreateServiceTokenRequest { name: "ä".repeat(64), topics, ttl, ..creation() };
    let created = create(&server, with_token(largest, &admin)).await.unwrap();
    assert!(server.identity(&created.token).await.is_ok());

    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let expires =
        |created: &v1::CreateServiceTokenResponse| created.expire_time.unwrap().seconds - now as i64;
    assert!((400 * DAY - 60..=400 * DAY).contains(&expires(&created)));
    let default = create(&server, with_token(creation(), &admin)).await.unwrap();
    assert!((90 * DAY - 60..=90 * DAY + 60).contains(&expires(&default)));
}

#[tokio::test]
async fn revoking_again_or_a_token_that_is_unknown_succeeds() {
    let (server, _folder) = Server::start().await;
    let created = server.service_token("service", &[]).await;
    let other = server.service_token("service", &[]).await;
    let admin = server.token("admin").await;
    let revoke = async |id: &str| {
        let request = with_token(v1::RevokeServiceTokenRequest { id: id.into() }, &admin);
        server.auth().revoke_service_token(request).await
    };
    revoke(&created.id).await.unwrap();
    let refused = server.identity(&created.token).await;
    assert_refused(refused, Code::Unauthenticated, "TOKEN_REVOKED", &[]);
    assert!(server.identity(&other.token).await.is_ok());
    for id in [created.id.as_str(), "unknown"] {
        revoke(id).await.unwrap();
    }
}

#[tokio::test]
async fn a_token_that_a_restored_backup_does_not_know_can_be_revoked() {
    let (server, folder) = Server::start().await;
    let restored = tempfile::tempdir().unwrap();
    let file = folder.path().join("backup");
    backup(folder.path(), &file).unwrap();
    let created = server.service_token("service", &[]).await;
    server.stop().await;
    restore(&file, restored.path()).unwrap();
    let server = Server::start_in(restored.path()).await;
    assert!(server.identity(&created.token).await.is_ok(), "the keys are those of the backup");
    let request = v1::RevokeServiceTokenRequest { id: created.id };
    let admin = server.token("admin").await;
    server.auth().revoke_service_token(with_token(request, &admin)).await.unwrap();
    assert_refused(server.identity(&created.token).await, Code::Unauthenticated, "TOKEN_REVOKED", &[]);
}
