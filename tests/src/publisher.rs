//! Another backend, which publishes by gRPC.

use std::net::SocketAddr;

use lastmile_proto::v1::auth_service_client::AuthServiceClient;
use lastmile_proto::v1::publish_event_request::Body;
use lastmile_proto::v1::topic_service_client::TopicServiceClient;
use lastmile_proto::v1::{LoginRequest, PublishEventRequest};
use prost_types::value::Kind;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Request, Status};

/// Someone signed in at the core.
#[derive(Debug, Clone)]
pub struct Publisher {
    topics: TopicServiceClient<Channel>,
    credential: MetadataValue<Ascii>,
}

impl Publisher {
    /// Logs in as one of the demo users.
    ///
    /// # Panics
    /// When it fails.
    pub async fn login(grpc: SocketAddr, username: &str) -> Self {
        let channel = Channel::from_shared(format!("http://{grpc}")).expect("a URL").connect_lazy();
        let request = LoginRequest { username: username.to_owned(), password: "lastmile-dev".to_owned() };
        let answer = AuthServiceClient::new(channel.clone()).login(request).await.expect("a login");
        let credential = format!("Bearer {}", answer.into_inner().access_token);
        Self { topics: TopicServiceClient::new(channel), credential: credential.parse().expect("ASCII") }
    }

    /// Publishes a number; returns the event's cursor.
    ///
    /// # Errors
    /// What the core answers.
    pub async fn publish(&self, topic: &str, number: u32) -> Result<String, Status> {
        self.publish_value(topic, "number", Kind::NumberValue(number.into())).await
    }

    /// Publishes a text; returns the event's cursor.
    ///
    /// # Errors
    /// What the core answers.
    pub async fn publish_text(&self, topic: &str, text: String) -> Result<String, Status> {
        self.publish_value(topic, "text", Kind::StringValue(text)).await
    }

    async fn publish_value(&self, topic: &str, name: &str, kind: Kind) -> Result<String, Status> {
        let mut request = Request::new(PublishEventRequest {
            topic: topic.to_owned(),
            r#type: name.to_owned(),
            body: Some(Body::Data(prost_types::Value { kind: Some(kind) })),
            ..PublishEventRequest::default()
        });
        request.metadata_mut().insert("authorization", self.credential.clone());
        Ok(self.topics.clone().publish_event(request).await?.into_inner().cursor)
    }
}
