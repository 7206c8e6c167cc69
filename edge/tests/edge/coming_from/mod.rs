//! The page "Coming from grpc-gateway, Envoy or Connect": each of its rows, shown over a real socket.

mod stage;
mod messages;
mod gateway;
mod envoy;
mod connect;

use std::collections::BTreeSet;
use std::pin::Pin;

const PAGE: &str = include_str!("../../../COMING-FROM.md");

type Row = (&'static str, fn() -> Pin<Box<dyn Future<Output = ()>>>);

/// The row's name and what shows it.
macro_rules! rows {
    ($($name:literal $shown:path)*) => { &[$(($name, || Box::pin($shown()))),*] };
}

const ROWS: &[Row] = rows! {
    "gateway-annotations" gateway::annotations
    "gateway-rules" gateway::rules
    "gateway-defaults" messages::defaults
    "gateway-emit-unpopulated" messages::omitted_defaults
    "gateway-int64" messages::int64
    "gateway-enums" messages::enums
    "gateway-enum-numbers" messages::enum_numbers
    "gateway-names" messages::names
    "gateway-proto-names" messages::proto_names
    "gateway-unknown-json" messages::unknown_json
    "gateway-discard-unknown" messages::discarded_json
    "gateway-query" messages::query
    "gateway-unknown-query" messages::ignored_query
    "gateway-query-maps" messages::query_maps
    "gateway-query-duration" messages::query_duration
    "gateway-patch" gateway::patch
    "gateway-errors" gateway::errors
    "gateway-own-errors" gateway::own_errors
    "gateway-streams" gateway::streams
    "gateway-request-metadata" gateway::request_metadata
    "gateway-answer-metadata" gateway::answer_metadata
    "gateway-authorization" gateway::authorization
    "gateway-deadline" gateway::deadline
    "gateway-cookies" gateway::cookies
    "gateway-duplicates" gateway::duplicates
    "gateway-override" gateway::method_override
    "gateway-etag" gateway::etag
    "envoy-descriptors" gateway::annotations
    "envoy-auto-mapping" envoy::implicit_bindings
    "envoy-errors" envoy::unknown_details
    "envoy-first-error" envoy::first_error
    "envoy-late-error" envoy::late_error
    "envoy-streams" gateway::faces
    "envoy-query" envoy::unknown_query
    "envoy-path" envoy::path
    "envoy-wrong-method" gateway::own_errors
    "envoy-deadline" gateway::deadline
    "envoy-headers" envoy::headers
    "envoy-compressor" envoy::compressor
    "envoy-large-body" envoy::large_body
    "envoy-print-options" messages::defaults
    "envoy-int64" envoy::int64_numbers
    "connect-unary" connect::connect_unary
    "connect-errors" connect::connect_errors
    "connect-streams" connect::connect_streams
    "connect-grpc-web" connect::grpc_web
    "connect-codes" connect::codes
    "connect-timeout" connect::connect_timeout
    "connect-get" gateway::etag
    "connect-proto" connect::protobuf
    "connect-browser-streams" gateway::faces
};

#[tokio::test]
async fn every_row_of_the_page_holds() {
    let cells = PAGE.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let told: Vec<&str> = cells.collect();
    let shown: Vec<&str> = ROWS.iter().map(|row| row.0).collect();
    let (told_once, shown_once): (BTreeSet<_>, BTreeSet<_>) = (told.iter().collect(), shown.iter().collect());
    assert_eq!(told_once, shown_once, "rows of the page, and rows that are tested");
    assert_eq!((told.len(), shown.len()), (told_once.len(), shown_once.len()), "each name once");
    for (_, show) in ROWS {
        show().await;
    }
}
