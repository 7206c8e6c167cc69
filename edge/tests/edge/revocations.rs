//! Revoked tokens: refused at once, their streams ended, and never taken for nobody's.

use prost::Message;
use serde_json::json;

use crate::backend::{Act, Backend, answer, event, position};
use crate::host::{soon, until};
use crate::issuer::Issuer;
use crate::site::{Answer, Site};

const SSE: (&str, &str) = ("accept", "text/event-stream");

/// Streams that never end by themselves, and a note.
fn shop() -> Backend {
    Backend::new(|method, _| match method {
        "Streams/Watch" => vec![position(0), event(1), Act::Hang],
        "Streams/Tick" => vec![event(1), Act::Hang],
        "Streams/Count" => vec![
            Act::Send(
                crate::shop::message("CountResponse", json!({ "number": "1", "position": true }))
                    .encode_to_vec()
                    .into(),
            ),
            Act::Hang,
        ],
        _ => answer("Note", json!({ "name": "a" })),
    })
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

fn cookie(token: &str) -> String {
    format!("lm_access={token}")
}

/// Each topic is a stream of its own.
async fn watch(site: &Site, topic: &str, header: (&str, &str)) -> Answer {
    site.get(&format!("/v1/watch?topic={topic}"), &[SSE, header]).await
}

fn reason(answer: &Answer) -> String {
    format!("{} {}", answer.status, answer.json()["reason"].as_str().unwrap_or_default())
}

#[tokio::test]
async fn a_stream_ends_with_its_token_and_is_refused_afterwards() {
    let (issuer, backend) = (Issuer::new(), shop());
    let site = issuer.site(json!({}), &backend).await;
    let (revoked, kept) = (issuer.token("7", "a"), issuer.token("7", "b"));
    let (by_header, by_cookie) = (bearer(&revoked), cookie(&revoked));
    let other = bearer(&kept);
    let both = async {
        tokio::join!(
            watch(&site, "a", ("authorization", &by_header)),
            watch(&site, "b", ("cookie", &by_cookie))
        )
    };
    let others = watch(&site, "c", ("authorization", &other));
    tokio::pin!(both, others);
    let opened = async {
        until("three streams", || backend.open_calls() == 3).await;
        issuer.asked(1).await;
        issuer.revoke("a");
    };
    let ended = async {
        let ((first, second), ()) = tokio::join!(&mut both, opened);
        [first, second]
    };
    let ended = tokio::select! {
        ended = ended => ended,
        _ = &mut others => panic!("another token of the same subject goes on"),
    };
    for answer in ended {
        assert!(
            answer.text().ends_with("event: lm-close\ndata: {\"reason\":\"token_revoked\"}\n\n"),
            "{answer:?}"
        );
    }
    for header in [("authorization", &by_header), ("cookie", &by_cookie)] {
        let again = watch(&site, "a", (header.0, header.1)).await;
        assert_eq!(reason(&again), "401 TOKEN_REVOKED");
        assert!(again.header("www-authenticate").contains("invalid_token"), "{again:?}");
        assert_eq!(again.header("set-cookie"), "", "without it the next stream would be anonymous");
    }
    issuer.revoke_subject("7");
    let text = soon("the end of the others", others).await;
    assert!(text.text().contains("token_revoked"), "{text:?}");
}

#[tokio::test]
async fn a_revoked_cookie_opens_no_anonymous_stream() {
    let (issuer, backend) = (Issuer::new(), shop());
    let site = issuer.site(json!({}), &backend).await;
    issuer.asked(1).await;
    let cookie = cookie(&issuer.token("7", "a"));
    issuer.revoke("a");
    let note = async || site.get("/v1/notes/a", &[("cookie", &cookie)]).await;
    let ignored = soon("the revocation", async {
        while site.get("/v1/items", &[("cookie", &cookie)]).await.status != 401 {}
        note().await
    });
    let ignored = ignored.await;
    assert_eq!((ignored.status, ignored.header("set-cookie").as_str()), (200, ""));
    let anonymous = backend.heads().pop().expect("a call");
    assert!(!anonymous.contains_key("authorization"));

    let calls = backend.calls().len();
    let refused = site.get("/v1/tick?topic=a", &[SSE, ("cookie", &cookie)]).await;
    assert_eq!(reason(&refused), "401 TOKEN_REVOKED");
    assert_eq!(backend.calls().len(), calls, "the backend hears nothing of it");
}

#[tokio::test]
async fn what_was_told_goes_on_to_count_and_what_was_missed_is_made_up() {
    let issuer = Issuer::new();
    issuer.revoke("a");
    let site = issuer.site(json!({}), &shop()).await;
    let refused = async |id: &str| {
        let token = bearer(&issuer.token("7", id));
        site.get("/v1/notes/a", &[("authorization", &token)]).await.status == 401
    };
    let heard = async |id: &str| soon(id, async { while !refused(id).await {} }).await;
    heard("a").await;
    issuer.go_away();
    issuer.revoke("b");
    issuer.asked(2).await;
    assert!(refused("a").await && !refused("b").await);
    issuer.come_back();
    heard("b").await;
    assert!(refused("a").await && !refused("c").await);
    issuer.revoke("c");
    heard("c").await;
}

#[tokio::test]
async fn other_faces_end_too() {
    let (issuer, backend) = (Issuer::new(), shop());
    let site = issuer.site(json!({}), &backend).await;
    issuer.asked(1).await;
    let token = bearer(&issuer.token("7", "a"));
    let by = [("authorization", token.as_str())];
    let poll = [by[0], ("prefer", "wait=60"), ("accept", "application/json")];
    let connect = [by[0], ("content-type", "application/connect+json"), ("connect-protocol-version", "1")];
    let body = [&b"\0\0\0\0\x0d"[..], br#"{"topic":"b"}"#].concat();
    let revoke = async {
        until("three streams", || backend.open_calls() == 3).await;
        issuer.revoke("a");
    };
    let (poll, lines, connect, ()) = tokio::join!(
        site.get("/v1/count", &poll),
        site.get("/v1/watch?topic=a", &by),
        site.ask("POST /shop.v1.Streams/Watch", &connect, body),
        revoke,
    );
    assert_eq!(reason(&poll), "401 TOKEN_REVOKED");
    assert!(
        lines.text().contains(r#"{"@close":{"cursor":"#) && lines.text().contains("token_revoked"),
        "{lines:?}"
    );
    let end = String::from_utf8_lossy(&connect.body);
    assert!(end.contains(r#""code":"unauthenticated""#) && end.contains("has been revoked"), "{end}");
}
