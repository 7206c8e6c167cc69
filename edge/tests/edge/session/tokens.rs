//! Tokens while a session goes on: renewed in band, expired, revoked, and rights that are lost.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::client::{Client, dial};
use crate::backend::{Act, Backend, answer, event, failure, position};
use crate::issuer::{DESCRIPTORS, Issuer};
use crate::site::Site;

#[tokio::test]
async fn a_new_token_goes_on_and_open_streams_are_asked_anew() {
    let issuer = Issuer::new();
    let (tell, told) = tokio::sync::watch::channel(false);
    let asked = AtomicUsize::new(0);
    let backend = Backend::new(move |method, request| match method {
        // Who asks again about the secret may not read it any more.
        "Streams/MayFollow" if request["topic"] == "secret" && asked.fetch_add(1, Ordering::SeqCst) > 0 => {
            vec![failure(tonic::Code::PermissionDenied, "NOT_YOURS")]
        }
        "Streams/MayFollow" => answer("WatchResponse", json!({})),
        _ => vec![position(1), Act::When(told.clone()), event(2), event(3), Act::Hang],
    });
    let upstream = issuer.upstream(&backend).known_to_service();
    let site = Site::of(json!({}), upstream, &DESCRIPTORS).await;
    // Shorter than the warning: it comes at once.
    let mut client =
        Client::begin(site.address, json!({ "token": issuer.token_until("alice", "a", 50) })).await;
    let expiring = client.hear().await["authExpiring"]["expiresMs"].as_u64().expect("a time");
    assert!((40_000..=50_000).contains(&expiring), "{expiring}");
    let open = |topic: &str| json!({ "json": { "topic": topic }, "credit": 9 });
    let kept = client.open("shop.v1.Streams/Follow", open("a")).await;
    assert_eq!(client.hear().await["opened"]["call"], kept);
    let lost = client.open("shop.v1.Streams/Follow", open("secret")).await;
    assert_eq!(client.hear().await["opened"]["call"], lost);
    client.say(json!({ "auth": { "token": issuer.token("alice", "b") } })).await;
    let (mut authed, mut ended) = (0, Value::Null);
    while authed == 0 || ended.is_null() {
        let frame = client.hear().await;
        authed = frame["authed"]["expiresMs"].as_u64().unwrap_or(authed);
        if frame.get("end").is_some() {
            ended = frame["end"].clone();
        }
    }
    assert!((590_000..=600_000).contains(&authed), "{authed}");
    assert_eq!((&ended["call"], &ended["status"]), (&json!(lost), &json!(7)), "{ended}");
    tell.send(true).expect("a backend");
    let mut seen = Vec::new();
    while seen.len() < 2 {
        let message = client.hear().await["message"].clone();
        assert_eq!(message["call"], json!(kept), "{message}");
        // One without a payload moves the cursor alone.
        seen.extend(message["json"]["number"].as_u64());
    }
    assert_eq!(seen, [2, 3]);
}

#[tokio::test]
async fn tokens_of_others_bad_and_revoked_ones_end_the_connection() {
    let issuer = Issuer::new();
    let site = issuer.site(json!({}), &Backend::new(|_, _| answer("Note", json!({})))).await;
    issuer.asked(1).await;
    for (token, expected) in [
        (issuer.token("bob", "b"), ("TOKEN_INVALID", 4403)),
        ("nonsense".into(), ("TOKEN_INVALID", 4401)),
        (issuer.token_until("alice", "c", -60), ("TOKEN_EXPIRED", 4401)),
    ] {
        let mut client = Client::begin(site.address, json!({ "token": issuer.token("alice", "a") })).await;
        client.say(json!({ "auth": { "token": token } })).await;
        assert_eq!(client.closed().await, (expected.0.into(), expected.1));
        // The token before is still good.
        client.resume(json!({ "token": issuer.token("alice", "a") })).await;
        assert!(client.call("shop.v1.Notes/CreateNote", json!({})).await.is_ok());
    }
    let mut client = Client::begin(site.address, json!({ "token": issuer.token("alice", "gone") })).await;
    issuer.revoke("gone");
    assert_eq!(client.closed().await, ("TOKEN_REVOKED".into(), 4401));
    let mut again = Client::new(site.address, dial(site.address, &[]).await);
    again.say(json!({ "hello": { "token": issuer.token("alice", "a"), "session": client.session } })).await;
    assert_eq!(again.hear().await["goaway"]["reason"], "session_unknown", "it is over");
}

#[tokio::test]
async fn tickets_and_cookies_say_hello_too() {
    let issuer = Issuer::new();
    let site = issuer.site(json!({}), &Backend::new(|_, _| answer("Note", json!({})))).await;
    let token = issuer.token("alice", "a");
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("host", "edge.test")];
    let ticket = site.ask("POST /tickets", &headers[..1], "").await.json()["ticket"].clone();
    let mut foreign = Client::new(site.address, dial(site.address, &[]).await);
    foreign.say(json!({ "hello": { "ticket": ticket } })).await;
    assert_eq!(foreign.closed().await, ("TICKET_FOREIGN".into(), 4401));
    for headers in [vec![("host", "edge.test")], vec![("cookie", "")]] {
        let cookie = format!("lm_access={token}");
        let by_cookie = headers[0].0 == "cookie";
        let headers = if by_cookie { vec![("cookie", cookie.as_str())] } else { headers };
        let mut client = Client::new(site.address, dial(site.address, &headers).await);
        let hello = if by_cookie { json!({}) } else { json!({ "ticket": ticket }) };
        client.say(json!({ "hello": hello })).await;
        client.be_ready().await;
        assert!(client.call("shop.v1.Notes/CreateNote", json!({})).await.is_ok());
    }
}
