//! Topics of the core, for anyone to read.

use std::net::SocketAddr;

use lastmile_proto::v1::auth_service_client::AuthServiceClient;
use lastmile_proto::v1::publish_event_request::Body;
use lastmile_proto::v1::topic_service_client::TopicServiceClient;
use lastmile_proto::v1::{CreateTopicRequest, LoginRequest, PublishEventRequest, Topic, TopicRules};
use prost_types::value::Kind;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{IntoRequest, Request};

/// An administrator of the core.
#[derive(Clone)]
pub(crate) struct Topics {
    client: TopicServiceClient<Channel>,
    credential: MetadataValue<Ascii>,
}

impl Topics {
    pub(crate) async fn login(grpc: SocketAddr) -> Self {
        let channel = Channel::from_shared(format!("http://{grpc}")).expect("a URL").connect_lazy();
        let request = LoginRequest { username: "admin".to_owned(), password: "lastmile-dev".to_owned() };
        let answer = AuthServiceClient::new(channel.clone()).login(request).await.expect("a login");
        let credential = format!("Bearer {}", answer.into_inner().access_token);
        Self { client: TopicServiceClient::new(channel), credential: credential.parse().expect("ASCII") }
    }

    pub(crate) async fn create(&self, name: &str) {
        let rules =
            TopicRules { publish: vec!["signed-in".to_owned()], subscribe: vec!["anyone".to_owned()] };
        let topic = Topic { name: name.to_owned(), rules: Some(rules), ..Topic::default() };
        let request = self.signed(CreateTopicRequest { topic: Some(topic) });
        self.client.clone().create_topic(request).await.expect("a topic");
    }

    pub(crate) async fn publish(&self, topic: &str, text: String) {
        let request = self.signed(PublishEventRequest {
            topic: topic.to_owned(),
            r#type: "text".to_owned(),
            body: Some(Body::Data(prost_types::Value { kind: Some(Kind::StringValue(text)) })),
            ..PublishEventRequest::default()
        });
        self.client.clone().publish_event(request).await.expect("published");
    }

    fn signed<T>(&self, message: T) -> Request<T> {
        let mut request = message.into_request();
        request.metadata_mut().insert("authorization", self.credential.clone());
        request
    }
}
