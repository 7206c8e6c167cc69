//! A disk that fails under a running server: clear errors, nothing half, and no restart needed when it works again.

use futures_util::future::join_all;
use lastmile_proto::v1::ListEventsRequest;
use lastmile_proto::v1::topic_service_client::TopicServiceClient;
use lastmile_tests::{App, CoreProcess, Fault, FaultyDisk, Publisher, Topology, soon};
use prost_types::value::Kind;
use tonic::Code;

#[tokio::test]
async fn a_disk_that_fails_is_named_and_survived() {
    let disk = FaultyDisk::new();
    let data = tempfile::tempdir().expect("a folder");
    let variables = disk.variables();
    let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
    let mut core = CoreProcess::start(data.path(), &variables).await;
    let publisher = Publisher::login(core.grpc(), "bob").await;
    let mut acknowledged = Vec::new();
    let mut number = 0;
    for (fault, code, says) in [
        (Fault::Full, Code::ResourceExhausted, "disk is full"),
        (Fault::ReadOnly, Code::Unavailable, "disk failed"),
        (Fault::Write, Code::Unavailable, "disk failed"),
        (Fault::Sync, Code::Unavailable, "disk failed"),
    ] {
        number += 1;
        publisher.publish("news", number).await.expect("the disk works");
        acknowledged.push(number);

        disk.fail(fault);
        // Several at once: they share a transaction, and each must hear of it.
        let refused = join_all((0..20).map(|each| publisher.publish("news", 1000 + number * 20 + each)));
        for refusal in soon("refusals", refused).await {
            let status = refusal.expect_err("nothing can be written");
            assert_eq!(status.code(), code, "{fault:?}: {status:?}");
            assert!(status.message().contains(says), "{fault:?}: {status:?}");
        }
        assert!(
            kept(&core).await.ends_with(&[number]),
            "{fault:?}: reading goes on, and sees nothing refused"
        );
        disk.mend();
        number += 1;
        publisher.publish("news", number).await.expect("no restart is needed");
        acknowledged.push(number);
        assert_eq!(kept(&core).await, acknowledged, "{fault:?}");
    }
    core.kill_and_restart().await;
    assert_eq!(kept(&core).await, acknowledged, "after a crash");
}

#[tokio::test]
async fn a_browser_is_told_too_and_the_stream_goes_on() {
    let disk = FaultyDisk::new();
    let variables = disk.variables();
    let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
    let app = App::start_with(Topology::One, &variables).await;
    let mut stream = app.browser().subscribe("/api/v1/topics/news/events", None).await;
    stream.id().await;
    let alice = app.login("alice").await;
    let event = serde_json::json!({"type": "number", "data": 1});
    disk.fail(Fault::Full);
    let refused = alice.post("/api/v1/topics/news/events", &event).await;
    assert_eq!(
        (refused.status.as_u16(), refused.json()["reason"].as_str()),
        (429, Some("STORAGE_FULL")),
        "{refused:?}"
    );
    disk.mend();
    assert_eq!(alice.post("/api/v1/topics/news/events", &event).await.status, 200);
    assert_eq!(stream.event().await.json()["data"], 1);
}

/// The numbers in the history of `news`.
async fn kept(core: &CoreProcess) -> Vec<u32> {
    let request = ListEventsRequest { topic: "news".to_owned(), page_size: 1000, ..Default::default() };
    let page =
        TopicServiceClient::new(core.channel()).list_events(request).await.expect("a page").into_inner();
    let data = page.events.into_iter().filter_map(|event| match event.body? {
        lastmile_proto::v1::subscribe_response::Body::Data(data) => data.kind,
        lastmile_proto::v1::subscribe_response::Body::Message(_) => None,
    });
    data.map(|kind| if let Kind::NumberValue(number) = kind { number as u32 } else { panic!("{kind:?}") })
        .collect()
}
