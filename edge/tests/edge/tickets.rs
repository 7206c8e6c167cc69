//! Tickets over sockets: who gets one, what it opens, and that a bad one opens nothing.

use axum::body::Body;
use http::Request;
use lastmile_edge::front::tickets::take;
use serde_json::{Value, json};

use crate::backend::{Act, Backend, answer, event, position};
use crate::host::soon;
use crate::issuer::Issuer;
use crate::shop::load;
use crate::site::{Answer, Site};

const SSE: (&str, &str) = ("accept", "text/event-stream");
const APP: (&str, &str) = ("origin", "https://app.test");

/// Streams that end, and a note.
fn shop() -> Backend {
    Backend::new(|method, _| match method {
        "Streams/Watch" => vec![position(0), event(1), Act::End],
        "Streams/Tick" => vec![event(1), Act::End],
        _ => answer("Note", json!({ "name": "a" })),
    })
}

fn settings() -> Value {
    json!({ "cors": { "origins": ["https://app.test"] } })
}

async fn post(site: &Site, headers: &[(&str, &str)]) -> Answer {
    site.ask("POST /tickets", headers, "").await
}

/// A ticket for a token, asked for by a page of the edge itself.
async fn ticket(site: &Site, token: &str, headers: &[(&str, &str)]) -> String {
    let bearer = format!("Bearer {token}");
    let answer = post(site, &[&[("authorization", bearer.as_str())], headers].concat()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["ticket"].as_str().expect("a ticket").to_owned()
}

async fn watch(site: &Site, ticket: &str, headers: &[(&str, &str)]) -> Answer {
    site.get(&format!("/v1/watch?ticket={ticket}&topic=a"), &[&[SSE], headers].concat()).await
}

fn reason(answer: &Answer) -> String {
    match answer.status {
        200 => "200".into(),
        status => format!("{status} {}", answer.json()["reason"].as_str().unwrap_or_default()),
    }
}

#[tokio::test]
async fn a_ticket_opens_one_stream_for_its_holder() {
    let (issuer, backend) = (Issuer::new(), shop());
    let site = issuer.site(settings(), &backend).await;
    let token = issuer.token("7", "a");
    let (bearer, cookie) = (format!("Bearer {token}"), format!("lm_access={token}"));
    for header in [("authorization", bearer.as_str()), ("cookie", cookie.as_str())] {
        let given = post(&site, &[header]).await;
        assert_eq!((given.status, given.header("cache-control").as_str()), (200, "no-store"), "{given:?}");
        let body = given.json();
        assert!(body["expireTime"].as_str().is_some_and(|time| time.ends_with('Z')), "{body}");
        let ticket = body["ticket"].as_str().expect("a ticket");
        let opened = watch(&site, ticket, &[]).await;
        assert!(opened.status == 200 && opened.text().contains("event: lm-end"), "{opened:?}");
        assert_eq!(backend.calls().pop().expect("a call")["topic"], "a");
        let head = backend.heads().pop().expect("a call");
        assert_eq!(head["authorization"], bearer, "the backend gets the token, not the ticket");
        let again = watch(&site, ticket, &[]).await;
        assert_eq!(reason(&again), "401 TICKET_SPENT", "EventSource repeats its URL: it must give up");
        assert!(again.header("www-authenticate").contains("invalid_token"), "{again:?}");
    }
    let poll = [("prefer", "wait=5"), ("accept", "application/json")];
    let target = format!("/v1/watch?topic=a&ticket={}", ticket(&site, &token, &[]).await);
    let polled = site.get(&target, &poll).await;
    let link = polled.header("link");
    assert!(polled.status == 200 && link.contains("cursor=") && !link.contains("ticket"), "{polled:?}");
}

#[tokio::test]
async fn a_ticket_is_for_pages_of_one_origin() {
    let issuer = Issuer::new();
    let site = issuer.site(settings(), &shop()).await;
    let token = issuer.token("7", "a");
    let own = ("origin", "http://edge.test");
    for (given_to, used_by, expected) in [
        (&[][..], &[][..], "200"),
        (&[own][..], &[][..], "200"),
        (&[own][..], &[own][..], "200"),
        (&[APP][..], &[APP][..], "200"),
        (&[APP][..], &[][..], "401 TICKET_FOREIGN"),
        (&[own][..], &[APP][..], "401 TICKET_FOREIGN"),
    ] {
        let ticket = ticket(&site, &token, given_to).await;
        assert_eq!(reason(&watch(&site, &ticket, used_by).await), expected, "{given_to:?} {used_by:?}");
    }
}

#[tokio::test]
async fn a_bad_ticket_opens_nothing_at_all() {
    let (issuer, backend) = (Issuer::new(), shop());
    let site = issuer.site(settings(), &backend).await;
    issuer.asked(1).await;
    let good = issuer.token("7", "good");
    let (cookie, bearer) = (format!("lm_access={good}"), format!("Bearer {good}"));
    let revoked = ticket(&site, &issuer.token("7", "a"), &[]).await;
    let twice = format!("{0}&ticket={0}", ticket(&site, &good, &[]).await);
    let unused = ticket(&site, &good, &[]).await;
    issuer.revoke("a");
    soon("the revocation", async {
        let bearer = format!("Bearer {}", issuer.token("7", "a"));
        while post(&site, &[("authorization", &bearer)]).await.status != 401 {}
    })
    .await;
    let by_cookie = [("cookie", cookie.as_str())];
    let by_header = [("authorization", bearer.as_str())];
    for (ticket, headers, expected) in [
        ("", &[][..], "401 TICKET_INVALID"),
        ("garbage", &[][..], "401 TICKET_INVALID"),
        ("lmt1.AAAA", &by_cookie[..], "401 TICKET_INVALID"),
        (&twice, &[][..], "401 TICKET_INVALID"),
        (&unused, &by_header[..], "401 TICKET_INVALID"),
        (&revoked, &by_cookie[..], "401 TOKEN_REVOKED"),
    ] {
        assert_eq!(reason(&watch(&site, ticket, headers).await), expected, "{ticket}");
        // Nor where anyone may read: anonymous, it would show less than was asked for.
        let public = format!("/v1/tick?topic=a&ticket={ticket}");
        let expected = if ticket == revoked { "401 TICKET_SPENT" } else { expected };
        assert_eq!(reason(&site.get(&public, &[&[SSE], headers].concat()).await), expected, "{ticket}");
    }
    assert_eq!(backend.calls().len(), 0);
    let unary = site.get(&format!("/v1/notes/a?ticket={unused}"), &[]).await;
    assert_eq!(unary.json()["errors"][0]["field"], "ticket", "it is for streams");
    assert_eq!(watch(&site, &unused, &[]).await.status, 200, "what was refused is not spent");
}

#[tokio::test]
async fn only_callers_get_one_and_not_without_end() {
    let issuer = Issuer::new();
    let site = issuer.site(settings(), &shop()).await;
    let token = issuer.token("7", "a");
    let (bearer, cookie) = (format!("Bearer {token}"), format!("lm_access={token}"));
    let (by_header, by_cookie) = (("authorization", bearer.as_str()), ("cookie", cookie.as_str()));
    let cross_site = ("sec-fetch-site", "cross-site");
    for (headers, expected) in [
        (&[][..], "401 TOKEN_MISSING"),
        (&[("authorization", "Bearer a.b.c")][..], "401 TOKEN_INVALID"),
        (&[("cookie", "lm_access=a.b.c")][..], "401 TOKEN_INVALID"),
        (&[by_cookie, cross_site][..], "403 CROSS_SITE"),
        (&[by_header, cross_site][..], "200"),
        (&[by_cookie, ("origin", "https://evil.test")][..], "403 ORIGIN_REFUSED"),
    ] {
        assert_eq!(reason(&post(&site, headers).await), expected, "{headers:?}");
    }
    let allowed = post(&site, &[by_cookie, APP]).await;
    assert_eq!(allowed.header("access-control-allow-origin"), "https://app.test");
    let preflight = [APP, ("access-control-request-method", "POST")];
    assert_eq!(site.ask("OPTIONS /tickets", &preflight, "").await.status, 204);
    let read = site.get("/tickets", &[by_header]).await;
    assert_eq!((read.status, read.header("allow").as_str()), (405, "POST"));
    let limited = async { while post(&site, &[by_header]).await.status == 200 {} };
    soon("the limit", limited).await;
    let limited = post(&site, &[by_header]).await;
    assert_eq!(reason(&limited), "429 RATE_LIMITED");
    let other = ticket(&site, &issuer.token("8", "b"), &[]).await;
    assert!(other.starts_with("lmt1."), "another caller has a count of its own: {other}");

    let trusting = issuer.site(json!({ "auth": { "keys": "none" } }), &shop()).await;
    assert_eq!(reason(&post(&trusting, &[by_header]).await), "404 NO_ISSUER");
    assert_eq!(reason(&watch(&trusting, "lmt1.AAAA", &[]).await), "401 TICKET_INVALID");
}

#[tokio::test]
async fn edges_that_share_a_key_take_each_others_tickets() {
    let issuer = Issuer::new();
    let with_key =
        async |key: &str| issuer.site(json!({ "auth": { "ticket_key": key.repeat(32) } }), &shop()).await;
    let token = issuer.token("7", "a");
    let (first, second, other) = (with_key("ab").await, with_key("ab").await, with_key("cd").await);
    let ticket = ticket(&first, &token, &[]).await;
    assert_eq!(reason(&watch(&other, &ticket, &[]).await), "401 TICKET_INVALID");
    assert_eq!(reason(&watch(&second, &ticket, &[]).await), "200");
    assert_eq!(reason(&watch(&second, &ticket, &[]).await), "401 TICKET_SPENT");
}

#[test]
fn a_backend_may_have_a_field_of_this_name_for_itself() {
    let declare = |field: &str| {
        let text = format!(
            "syntax = \"proto3\"; package x; import \"google/api/annotations.proto\"; message M {{ string {field} = 1; }} \
             service S {{ rpc Watch(M) returns (stream M) {{ option (google.api.http) = {{ get: \"/watch\" }}; }} \
             rpc Get(M) returns (M) {{ option (google.api.http) = {{ get: \"/get\" }}; }} }}"
        );
        load(&text).expect("a good schema")
    };
    let (plain, own) = (declare("name"), declare("ticket"));
    for (schema, method, line, ticket, left) in [
        (&plain, "x.S/Watch", "GET /watch?ticket=lmt1.A", Some("lmt1.A"), "/watch"),
        (&plain, "x.S/Watch", "GET /watch?a=1&ticket=x&b=%20", Some("x"), "/watch?a=1&b=%20"),
        (&plain, "x.S/Watch", "GET /watch?ticket=", Some(""), "/watch"),
        (&plain, "x.S/Watch", "GET /watch?ticket=x&ticket=y", Some("x&y"), "/watch"),
        (&plain, "x.S/Watch", "GET /watch?tickets=x", None, "/watch?tickets=x"),
        (&plain, "x.S/Watch", "GET /watch", None, "/watch"),
        (&plain, "x.S/Watch", "POST /watch?ticket=lmt1.A", None, "/watch?ticket=lmt1.A"),
        (&plain, "x.S/Get", "GET /get?ticket=lmt1.A", None, "/get?ticket=lmt1.A"),
        (&own, "x.S/Watch", "GET /watch?ticket=x", None, "/watch?ticket=x"),
        (&own, "x.S/Watch", "GET /watch?ticket=x&ticket=lmt1.A", Some("lmt1.A"), "/watch?ticket=x"),
    ] {
        let (verb, target) = line.split_once(' ').expect("a method and a target");
        let request = Request::builder().method(verb).uri(target).body(Body::empty()).expect("a request");
        let (mut head, _) = request.into_parts();
        assert_eq!(take(&mut head, &schema.methods[method]).as_deref(), ticket, "{line}");
        assert_eq!(head.uri.to_string(), left, "{line}");
    }
}
