//! An edge as people write it by hand: for each subscriber an upstream stream by tonic, and serde behind axum's `Sse`.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Sse;
use axum::response::sse::Event;
use axum::routing::get;
use lastmile_proto::v1::subscribe_response::Body;
use lastmile_proto::v1::topic_service_client::TopicServiceClient;
use lastmile_proto::v1::{SubscribeRequest, SubscribeResponse};
use prost_types::value::Kind;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio_stream::{Stream, StreamExt};
use tonic::transport::Channel;

use crate::control;

/// Serves in front of a backend until it is killed.
pub(crate) async fn run(upstream: &str) {
    let channel = Channel::from_shared(format!("http://{upstream}")).expect("an address").connect_lazy();
    let router = Router::new()
        .route("/api/v1/topics/{topic}/events", get(subscribe))
        .with_state(TopicServiceClient::new(channel));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    control::announce("http", listener.local_addr().expect("it is bound"));
    axum::serve(listener, router).await.expect("it runs until it is killed");
}

async fn subscribe(
    State(mut topics): State<TopicServiceClient<Channel>>,
    Path(topic): Path<String>,
) -> Result<Sse<impl Stream<Item = Result<Event, axum::Error>>>, StatusCode> {
    let request = SubscribeRequest { topic, ..SubscribeRequest::default() };
    let answer = topics.subscribe(request).await.map_err(|_| StatusCode::BAD_GATEWAY)?;
    let messages = answer.into_inner().filter_map(Result::ok).filter(|message| !message.position);
    Ok(Sse::new(messages.map(|message| {
        Event::default().id(&message.cursor).event(&message.r#type).json_data(EventJson::from(message))
    })))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EventJson {
    cursor: String,
    position: bool,
    previous: String,
    id: String,
    topic: String,
    r#type: String,
    publish_time: Option<String>,
    publisher: String,
    traceparent: String,
    data: Option<String>,
}

impl From<SubscribeResponse> for EventJson {
    fn from(message: SubscribeResponse) -> Self {
        let data = match message.body {
            Some(Body::Data(prost_types::Value { kind: Some(Kind::StringValue(text)) })) => Some(text),
            _ => None,
        };
        Self {
            cursor: message.cursor,
            position: message.position,
            previous: message.previous,
            id: message.id,
            topic: message.topic,
            r#type: message.r#type,
            publish_time: message.publish_time.map(|time| time.to_string()),
            publisher: message.publisher,
            traceparent: message.traceparent,
            data,
        }
    }
}
