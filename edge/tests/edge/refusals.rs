//! What holds for every answer that is a refusal, whichever guard gives it.

use std::time::Duration;

use lastmile_edge::upstream::deadline::requested;
use serde_json::json;

use crate::backend::{Act, Backend, answer};
use crate::site::{Answer, Site};

const ORIGIN: (&str, &str) = ("origin", "https://app.test");

fn backend() -> Backend {
    Backend::new(|_, request| match request["name"].as_str() {
        Some("hangs") => vec![Act::Hang],
        Some("missing") => vec![Act::Fail(tonic::Status::not_found("there is none"))],
        _ => answer("Note", json!({ "name": "a" })),
    })
}

fn settings() -> serde_json::Value {
    json!({ "cors": { "origins": ["https://app.test"] }, "calls": { "timeout": "300ms" } })
}

/// One refusal by each guard and face.
async fn refusals(site: &Site, headers: &[(&str, &str)]) -> Vec<(u16, Answer)> {
    let mut answers = Vec::new();
    for (status, line, own, body) in [
        (400, "GET /v1/notes/a?nope=1", None, ""),
        (400, "GET /v1/notes/%ff", None, ""),
        (404, "GET /v1/notes/missing", None, ""),
        (404, "GET /nowhere", None, ""),
        (404, "GET /.well-known/lastmile/descriptors", None, ""),
        (404, "GET /.well-known/lastmile/metrics", None, ""),
        (405, "PUT /v1/notes/a", None, ""),
        (406, "GET /v1/notes/a", Some(("accept", "image/png")), ""),
        (406, "GET /v1/notes/a", Some(("accept-encoding", "*;q=0")), ""),
        (415, "POST /v1/notes", Some(("content-type", "text/csv")), "a,b"),
        (504, "GET /v1/notes/hangs", None, ""),
    ] {
        let headers = [headers, own.as_slice()].concat();
        answers.push((status, site.ask(line, &headers, body).await));
    }
    answers
}

#[tokio::test]
async fn a_page_that_may_call_can_read_every_refusal() {
    let site = Site::start(settings(), &backend()).await;
    for (status, answer) in refusals(&site, &[ORIGIN]).await {
        assert_eq!(answer.status, status, "{answer:?}");
        assert_eq!(answer.header("access-control-allow-origin"), ORIGIN.1, "{answer:?}");
        assert!(answer.header("access-control-expose-headers").contains("retry-after"), "{answer:?}");
        assert!(answer.header("vary").contains("Origin"), "{answer:?}");
    }
    let mut settings = settings();
    settings["limits"] = json!({ "requests_per_second": 1, "request_burst": 1 });
    let site = Site::start(settings, &backend()).await;
    site.get("/v1/notes/a", &[ORIGIN]).await;
    let limited = site.get("/v1/notes/a", &[ORIGIN]).await;
    assert_eq!((limited.status, limited.header("access-control-allow-origin").as_str()), (429, ORIGIN.1));
}

#[tokio::test]
async fn no_cache_keeps_a_refusal() {
    let site = Site::start(settings(), &backend()).await;
    for (status, answer) in refusals(&site, &[]).await {
        assert_eq!(
            (answer.status, answer.header("cache-control").as_str()),
            (status, "no-store"),
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn methods_of_rest_move_below_the_prefix() {
    let settings = json!({ "paths": { "prefix": "/edge" } });
    let site = Site::start(settings, &backend()).await;
    let json = [("content-type", "application/json")];
    for (path, status) in [
        ("/edge/shop.v1.Notes/GetNote", 200),
        ("/shop.v1.Notes/GetNote", 404),
        ("/edgeshop.v1.Notes/GetNote", 404),
        ("/edge/edge/shop.v1.Notes/GetNote", 404),
    ] {
        assert_eq!(site.ask(&format!("POST {path}"), &json, "{}").await.status, status, "{path}");
    }
    assert_eq!(site.get("/v1/notes/a", &[]).await.status, 200, "bindings stay where they are");
}

#[tokio::test]
async fn the_least_of_several_time_limits_counts() {
    let limits = [("grpc-timeout", "700m"), ("connect-timeout-ms", "200"), ("x-server-timeout", "0.5")];
    for first in 0..3 {
        let order = [limits[first], limits[(first + 1) % 3], limits[(first + 2) % 3]];
        let headers =
            order.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        assert_eq!(requested(&headers).unwrap(), Some(Duration::from_millis(200)), "{order:?}");
    }
    let backend = backend();
    for (own, expected) in [("10s", 200), ("100ms", 100)] {
        let site = Site::start(json!({ "calls": { "timeout": own } }), &backend).await;
        site.get("/v1/notes/a", &limits).await;
        let heads = backend.heads();
        let told = heads.last().expect("a call")["grpc-timeout"].to_str().expect("text");
        // tonic writes it in the unit that it likes.
        let told =
            requested(&[("grpc-timeout".parse().unwrap(), told.parse().unwrap())].into_iter().collect());
        let told = told.expect("a time").expect("a time");
        let most = Duration::from_millis(expected);
        assert!(told <= most && told > most / 2, "{own}: {told:?}");
    }
}
