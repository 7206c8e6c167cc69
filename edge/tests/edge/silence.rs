//! Something between edge and backend acknowledges everything and passes nothing on.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use lastmile_edge::config::UpstreamConfig;
use lastmile_edge::upstream::Upstream;
use serde_json::json;
use tokio::io::sink;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::backend::{Act, Backend, response};
use crate::host::{Host, call, soon};

const WATCH: &str = "/shop.v1.Streams/Watch";

/// Passes on what comes, until the connections of that time swallow it.
async fn start_swallower(target: SocketAddr) -> (SocketAddr, Arc<watch::Sender<u32>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let swallowed = Arc::new(watch::Sender::new(0));
    let told = Arc::clone(&swallowed);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let mut told = told.subscribe();
            let server = TcpStream::connect(target).await.expect("the backend");
            tokio::spawn(async move {
                let (mut client, mut server) = (client, server);
                tokio::select! {
                    passed = tokio::io::copy_bidirectional(&mut client, &mut server) => drop(passed),
                    _ = told.changed() => drop(tokio::io::copy(&mut client, &mut sink()).await),
                }
            });
        }
    });
    (address, swallowed)
}

#[tokio::test]
async fn calls_on_a_connection_that_swallows_them_fail_and_the_next_get_another() {
    let backend = Backend::new(|_, _| vec![response(json!({ "number": 1 })), Act::Hang]);
    let host = Host::of(&backend).await;
    let (proxy, swallow) = start_swallower(host.address).await;
    let url = vec![format!("http://{proxy}")];
    let upstream = Upstream::connect(&[UpstreamConfig { url, ..UpstreamConfig::default() }]).expect("a URL");
    let mut stream = upstream.server_streaming(call(WATCH), Bytes::new()).await.expect("a stream");
    soon("a message", stream.next()).await.expect("no failure").expect("a message");

    swallow.send_modify(|times| *times += 1);
    let lost = soon("the end of the wait", upstream.server_streaming(call(WATCH), Bytes::new())).await;
    assert_eq!(lost.expect_err("nobody heard it").reason_text(), "UPSTREAM_UNAVAILABLE");
    soon("the end of the stream", stream.next()).await.expect_err("its connection is gone");
    soon("a stream", upstream.server_streaming(call(WATCH), Bytes::new())).await.expect("another connection");
}
