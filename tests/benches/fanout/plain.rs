//! A server as people write it with axum: a broadcast channel, and `Sse` or a WebSocket over it.

use std::convert::Infallible;
use std::io::{BufRead, BufReader};

use axum::Router;
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::response::Sse;
use axum::response::sse::Event;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::broadcast;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::BroadcastStream;

use crate::control;

/// More than is ever in flight.
const CAPACITY: usize = 1024;

/// Sends each line of the bench to everyone.
pub(crate) async fn run() {
    let (sender, _) = broadcast::channel::<String>(CAPACITY);
    let subscribers = sender.clone();
    let subscribe = async move || {
        let lines = BroadcastStream::new(subscribers.subscribe()).filter_map(Result::ok);
        Sse::new(lines.map(|text| Ok::<_, Infallible>(Event::default().data(text))))
    };
    let to_sockets = sender.clone();
    let connect = async move |upgrade: WebSocketUpgrade| {
        let mut lines = to_sockets.subscribe();
        upgrade.on_upgrade(async move |mut socket| {
            while let Ok(line) = lines.recv().await {
                if socket.send(Message::Text(line.into())).await.is_err() {
                    return;
                }
            }
        })
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    control::announce("http", listener.local_addr().expect("it is bound"));
    std::thread::spawn(move || {
        for line in BufReader::new(control::accept()).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    let router = Router::new().route("/events", get(subscribe)).route("/socket", get(connect));
    axum::serve(listener, router).await.expect("it runs until killed");
}
