//! Reflection, health, gRPC-Web, trace context.

use std::collections::BTreeSet;

use lastmile_proto::v1;
use prost::Message;
use prost_reflect::DescriptorPool;
use prost_types::FileDescriptorProto;
use tokio_stream::{StreamExt, iter};
use tonic_reflection::pb;

use crate::harness::{Server, next, publication, with_token};

/// Asks one version of reflection for the services, and for the file of one of them.
macro_rules! reflect {
    ($version:ident, $server:expr) => {{
        use pb::$version::server_reflection_client::ServerReflectionClient;
        use pb::$version::server_reflection_request::MessageRequest;
        use pb::$version::server_reflection_response::MessageResponse;
        let request = |message| pb::$version::ServerReflectionRequest {
            host: String::new(),
            message_request: Some(message),
        };
        let requests = [
            request(MessageRequest::ListServices(String::new())),
            request(MessageRequest::FileContainingSymbol("lastmile.v1.TopicService".into())),
            request(MessageRequest::FileByFilename("google/api/annotations.proto".into())),
            request(MessageRequest::FileByFilename("lastmile/edge/v1/annotations.proto".into())),
        ];
        let mut client = ServerReflectionClient::new($server.channel());
        let answers = client.server_reflection_info(iter(requests)).await.unwrap().into_inner();
        let answers: Vec<_> = answers.map(|each| each.unwrap().message_response.unwrap()).collect().await;
        let mut services = BTreeSet::new();
        let mut files = Vec::new();
        for answer in answers {
            match answer {
                MessageResponse::ListServicesResponse(list) => {
                    services.extend(list.service.into_iter().map(|service| service.name));
                }
                MessageResponse::FileDescriptorResponse(file) => files.extend(file.file_descriptor_proto),
                other => panic!("{other:?}"),
            }
        }
        (services, files)
    }};
}

#[tokio::test]
async fn reflection_keeps_custom_options() {
    let (server, _folder) = Server::start().await;
    for (services, files) in [reflect!(v1, server), reflect!(v1alpha, server)] {
        for name in ["AuthService", "UserService", "TopicService", "DocumentService", "LogService"] {
            assert!(services.contains(&format!("lastmile.v1.{name}")), "{services:?}");
        }
        assert!(services.contains("lastmile.edge.v1.EdgeIdentityService"), "{services:?}");
        assert!(services.contains("grpc.health.v1.Health"), "{services:?}");

        let names: Vec<_> = files
            .iter()
            .map(|file| FileDescriptorProto::decode(file.as_slice()).unwrap().name.unwrap())
            .collect();
        assert!(names.contains(&"lastmile/v1/topic.proto".to_owned()), "{names:?}");
        let topic = &files[0];
        let pool = DescriptorPool::decode(lastmile_proto::DESCRIPTORS).unwrap();
        let file = FileDescriptorProto::decode(topic.as_slice()).unwrap();
        let original = pool.get_file_by_name(file.name()).unwrap();
        // The typed form drops unknown options; the bytes must be the compiler's own.
        assert_eq!(topic, original.encode_to_vec().as_slice());
        let method =
            original.services().next().unwrap().methods().find(|each| each.name() == "Subscribe").unwrap();
        let stream = pool.get_extension_by_name("lastmile.edge.v1.stream").unwrap();
        let options = method.options();
        let rule = options.get_extension(&stream);
        let rule = rule.as_message().unwrap();
        assert_eq!(rule.get_field_by_name("split").unwrap().as_str(), Some("topics:topic"));
    }
}

#[tokio::test]
async fn health_is_served() {
    use tonic_health::pb::HealthCheckRequest;
    use tonic_health::pb::health_client::HealthClient;
    let (server, _folder) = Server::start().await;
    let answer = HealthClient::new(server.channel()).check(HealthCheckRequest::default()).await.unwrap();
    assert_eq!(answer.into_inner().status, 1);
}

#[tokio::test]
async fn grpc_web_is_served_over_http_1() {
    let (server, _folder) = Server::start().await;
    let message = v1::GetTopicRequest { name: "news".into() }.encode_to_vec();
    let mut body = vec![0];
    body.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    body.extend(message);
    let client = reqwest::Client::builder().http1_only().build().unwrap();
    let answer = client
        .post(format!("{}/lastmile.v1.TopicService/GetTopic", server.url))
        .header("content-type", "application/grpc-web+proto")
        .body(body)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    let bytes = answer.bytes().await.unwrap();
    let length = u32::from_be_bytes(bytes[1..5].try_into().unwrap()) as usize;
    let topic = v1::Topic::decode(&bytes[5..5 + length]).unwrap();
    assert_eq!(topic.name, "news");
    let trailers = String::from_utf8_lossy(&bytes[5 + length + 5..]);
    assert!(trailers.contains("grpc-status:0"), "{trailers}");
}

#[tokio::test]
async fn trace_context_goes_into_the_event() {
    let telemetry = lastmile_server::telemetry::init("test").unwrap();
    let (server, _folder) = Server::start().await;
    let alice = server.token("alice").await;
    let mut stream = server.subscribe("").await;
    next(&mut stream).await;
    let trace_id = "0af7651916cd43dd8448eb211c80319c";
    let mut request = with_token(publication("news", "note", "x"), &alice);
    let parent = format!("00-{trace_id}-b7ad6b7169203331-01");
    request.metadata_mut().insert("traceparent", parent.parse().unwrap());
    server.topics().publish_event(request).await.unwrap();
    let event = next(&mut stream).await;
    let parts: Vec<_> = event.traceparent.split('-').collect();
    assert_eq!(parts[1], trace_id);
    assert_ne!(parts[2], "b7ad6b7169203331", "the parent is the core's own span");
    drop(telemetry);
}
