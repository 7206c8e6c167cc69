//! The keys that sign tokens: rotation, and the key file of an earlier version.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use lastmile_server::app::Core;
use lastmile_server::auth::{Keyring, TokenHolder, Tokens, generate_key};
use lastmile_server::config::CoreConfig;
use lastmile_server::model::{Role, Time};
use secrecy::ExposeSecret;
use serde_json::Value;

use crate::harness::Server;

fn config(folder: &Path, signing_key_lifetime: Duration) -> CoreConfig {
    CoreConfig { data: folder.to_owned(), dev: true, signing_key_lifetime, ..CoreConfig::default() }
}

async fn published(server: &Server) -> Vec<String> {
    let jwks: Value = serde_json::from_str(&server.jwks().await).unwrap();
    let keys = jwks["keys"].as_array().unwrap().iter();
    keys.map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

fn kid(token: &str) -> String {
    jsonwebtoken::decode_header(token).unwrap().kid.unwrap()
}

#[tokio::test]
async fn a_new_key_is_published_then_signs_and_nobody_is_signed_out() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_with(config(folder.path(), Duration::from_secs(2))).await;
    let first = server.login("alice").await;
    let service = server.service_token("service", &[]).await.token;
    assert_eq!(published(&server).await, [kid(&first.access_token)]);

    while published(&server).await.len() == 1 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut session = server.refresh(&first.refresh_token).await.unwrap();
    assert_eq!(kid(&session.access_token), kid(&first.access_token), "published, and not signing yet");
    while kid(&session.access_token) == kid(&first.access_token) {
        tokio::time::sleep(Duration::from_millis(20)).await;
        session = server.refresh(&session.refresh_token).await.unwrap();
    }
    let tokens = [first.access_token, service, session.access_token];
    for token in &tokens {
        assert!(server.identity(token).await.is_ok());
        assert!(published(&server).await.contains(&kid(token)));
    }

    server.stop().await;
    let server = Server::start_with(config(folder.path(), Duration::from_secs(3600))).await;
    for token in &tokens {
        assert!(server.identity(token).await.is_ok(), "a restart keeps all keys");
    }
}

#[tokio::test]
async fn the_key_file_of_an_earlier_version_moves_into_the_database() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("signing-key.pem");
    let key = generate_key(Time::now()).unwrap();
    fs::write(&file, key.pem.expose_secret()).unwrap();
    let tokens = Tokens::new(Keyring::new(std::slice::from_ref(&key)).unwrap(), Duration::from_secs(60));
    let (subject, name) = ("1".to_owned(), "alice".to_owned());
    let holder = TokenHolder { subject, name, role: Role::User, topics: Vec::new() };
    let token = tokens.issue(tokens.draft(), holder).unwrap().text;

    // The second start finds what a crash between import and deletion would leave.
    for _ in 0..2 {
        let server = Server::start_in(folder.path()).await;
        assert_eq!(published(&server).await, [key.id.as_str()]);
        assert_eq!(server.identity(&token).await.unwrap().user.unwrap().username, "alice");
        assert!(!file.exists());
        server.stop().await;
        fs::write(&file, key.pem.expose_secret()).unwrap();
    }
}

#[tokio::test]
async fn a_broken_key_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("signing-key.pem"), "nonsense").unwrap();
    let error = Core::open(&config(folder.path(), Duration::from_secs(60))).await.unwrap_err();
    assert!(format!("{error:#}").contains("signing-key.pem"), "{error:#}");
}

#[tokio::test]
async fn only_the_owner_can_read_the_database() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let database = folder.path().join("lastmile.db");
    let start = async || {
        let server = Server::start_in(folder.path()).await;
        for entry in fs::read_dir(folder.path()).unwrap().map(Result::unwrap) {
            let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
            let name = entry.file_name().into_string().unwrap();
            assert!(!name.starts_with("lastmile.db") || mode == 0o600, "{name}: {mode:o}");
        }
        server.stop().await;
    };
    start().await;
    fs::set_permissions(&database, fs::Permissions::from_mode(0o644)).unwrap();
    start().await;
}
