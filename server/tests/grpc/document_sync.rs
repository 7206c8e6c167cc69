//! SyncDocument: watching and committing over one call.

use lastmile_proto::v1;
use prost_types::Value;
use prost_types::value::Kind;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Streaming};
use v1::sync_document_request::Frame as Said;
use v1::sync_document_response::Frame;
use v1::watch_document_response::Change;

use crate::harness::{Server, assert_refused, commit, nested, set, with_token};

/// One open call.
struct Sync {
    say: mpsc::Sender<v1::SyncDocumentRequest>,
    hear: Streaming<v1::SyncDocumentResponse>,
}

impl Sync {
    async fn open(server: &Server, token: &str) -> Self {
        let (say, said) = mpsc::channel(256);
        let request = with_token(ReceiverStream::new(said), token);
        let hear = server.documents().sync_document(request).await.unwrap().into_inner();
        Self { say, hear }
    }

    /// A call that watches a document, after its first position.
    async fn watch(server: &Server, token: &str, id: &str, cursor: &str) -> Self {
        let mut sync = Self::open(server, token).await;
        let watch = v1::WatchDocumentRequest { id: id.into(), cursor: cursor.into() };
        sync.say(Said::Watch(watch)).await;
        let Frame::Change(position) = sync.next().await else { panic!("no position") };
        assert!(position.position);
        sync
    }

    async fn say(&self, frame: Said) {
        self.say.send(v1::SyncDocumentRequest { frame: Some(frame) }).await.unwrap();
    }

    async fn commit(&self, base: u32, ops: &[(&str, &str, &str)]) {
        self.say(Said::Commit(commit("", base, ops))).await;
    }

    async fn next(&mut self) -> Frame {
        self.hear.message().await.unwrap().expect("the call has ended").frame.unwrap()
    }

    async fn change(&mut self) -> v1::DocumentChanged {
        match self.next().await {
            Frame::Change(v1::WatchDocumentResponse {
                change: Some(Change::DocumentChanged(each)), ..
            }) => each,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn commits_are_answered_in_order_and_conflicts_do_not_end_the_call() {
    let (server, _folder) = Server::start().await;
    let (alice, bob) = (server.token("alice").await, server.token("bob").await);
    let mut sync = Sync::watch(&server, &alice, "board", "").await;
    sync.commit(1, &[("1", "/a", "x")]).await;
    assert!(matches!(sync.next().await, Frame::Committed(each) if each.version == 2));
    assert_eq!(sync.change().await.version, 2, "the answer comes before the change");

    let his = with_token(commit("board", 2, &[("2", "/a", "his")]), &bob);
    server.documents().commit_document(his).await.unwrap();
    assert_eq!(sync.change().await.publisher, "bob");
    sync.commit(2, &[("3", "/a/b", "hers"), ("4", "/c", "hers")]).await;
    let Frame::Conflict(conflict) = sync.next().await else { panic!("no conflict") };
    assert_eq!((conflict.version, conflict.paths.len()), (3, 1));
    assert_eq!((conflict.paths[0].path.as_str(), conflict.paths[0].version), ("/a/b", 3));

    // All of these are answered, though nothing more is said.
    for n in 0..20 {
        sync.commit(3, &[(&format!("n{n}"), &format!("/n{n}"), "x")]).await;
    }
    let Sync { say, mut hear } = sync;
    drop(say);
    let mut answers = Vec::new();
    while let Some(message) = hear.message().await.unwrap() {
        match message.frame.unwrap() {
            Frame::Committed(each) => answers.push(each.version),
            Frame::Change(_) => {}
            Frame::Conflict(each) => panic!("{each:?}"),
        }
    }
    assert_eq!(answers, (4..24).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_document_of_24_levels_survives() {
    let (server, _folder) = Server::start().await;
    let alice = server.token("alice").await;
    let mut sync = Sync::watch(&server, &alice, "board", "").await;
    let ops = vec![set("1", "", nested(24).kind.unwrap())];
    let deep = v1::CommitDocumentRequest { ops, ..commit("board", 1, &[]) };
    sync.say(Said::Commit(deep)).await;
    assert!(matches!(sync.next().await, Frame::Committed(each) if each.version == 2));
    assert_eq!(sync.change().await.ops[0].action, Some(v1::document_op::Action::Set(nested(24))));
    sync.commit(1, &[("2", "/a", "x")]).await;
    let Frame::Conflict(conflict) = sync.next().await else { panic!("no conflict") };
    assert_eq!(conflict.paths[0].current, Some(nested(23)));
}

#[tokio::test]
async fn a_call_that_is_said_wrongly_ends_with_the_field() {
    let (server, _folder) = Server::start().await;
    let alice = server.token("alice").await;
    let watch = |id: &str, cursor: &str| {
        Said::Watch(v1::WatchDocumentRequest { id: id.into(), cursor: cursor.into() })
    };
    let invalid = (Code::InvalidArgument, "FIELD_INVALID");
    for (frames, code, reason, fields) in [
        (vec![Said::Commit(commit("board", 1, &[("1", "/a", "x")]))], invalid.0, invalid.1, &["watch"][..]),
        (vec![watch("board", ""), watch("board", "")], invalid.0, invalid.1, &["watch"]),
        (vec![watch("a/b", "")], invalid.0, invalid.1, &["watch.id"]),
        (vec![watch("board", "rubbish")], Code::InvalidArgument, "CURSOR_INVALID", &["watch.cursor"]),
        (vec![watch("nowhere", "")], Code::NotFound, "DOCUMENT_NOT_FOUND", &[]),
        (
            vec![watch("board", ""), Said::Commit(commit("other", 0, &[("1", "/a", "x")]))],
            invalid.0,
            invalid.1,
            &["commit.id"],
        ),
        (
            vec![watch("board", ""), Said::Commit(commit("board", 1, &[("1", "a", "x")]))],
            invalid.0,
            invalid.1,
            &["commit.ops[0].path"],
        ),
        (
            vec![watch("board", ""), Said::Commit(commit("", 1, &[("1", "/title/a", "x")]))],
            invalid.0,
            invalid.1,
            &["commit.ops[0].path"],
        ),
    ] {
        let mut sync = Sync::open(&server, &alice).await;
        for frame in frames {
            sync.say(frame).await;
        }
        let end = loop {
            match sync.hear.message().await {
                Ok(Some(message)) => {
                    assert!(matches!(message.frame, Some(Frame::Change(each)) if each.position));
                }
                Ok(None) => panic!("the call ended well"),
                Err(status) => break status,
            }
        };
        assert_refused(Err::<(), _>(end), code, reason, fields);
    }
    let mut sync = Sync::open(&server, &alice).await;
    sync.say.send(v1::SyncDocumentRequest::default()).await.unwrap();
    assert_refused(sync.hear.message().await, invalid.0, invalid.1, &["watch"]);
}

#[tokio::test]
async fn a_draining_server_ends_the_call_in_words() {
    let (server, _folder) = Server::start().await;
    let alice = server.token("alice").await;
    let mut sync = Sync::watch(&server, &alice, "board", "").await;
    server.core.drain();
    assert_refused(sync.hear.message().await, Code::Unavailable, "SHUTTING_DOWN", &[]);
    server.stop().await;
}

/// Adds to a counter that others add to as well, `times` times, and one member of its own each time; then listens
/// until the counter is at `until`. Gives back every change heard, after checking that none was missed.
async fn count(mut sync: Sync, name: &str, times: usize, until: usize) -> Vec<(u32, String)> {
    let (mut version, mut counter, mut made) = (1, 0, 0);
    let mut heard = Vec::new();
    let mut waiting = false;
    while made < times || counter < until {
        if made < times && !waiting {
            let id = format!("{name}-{made}-{version}");
            let own = (format!("{id}-own"), format!("/notes/{name}{made}"));
            let value = (counter + 1).to_string();
            sync.commit(version, &[(&id, "/counter", &value), (&own.0, &own.1, "x")]).await;
            waiting = true;
        }
        match sync.next().await {
            Frame::Committed(_) => (made, waiting) = (made + 1, false),
            Frame::Conflict(conflict) => {
                assert_eq!(conflict.paths[0].path, "/counter");
                waiting = false;
            }
            Frame::Change(change) => {
                let Some(Change::DocumentChanged(change)) = change.change else { panic!("{change:?}") };
                assert_eq!(change.version, version + 1, "a change was lost, or came twice");
                version = change.version;
                let Some(v1::document_op::Action::Set(Value { kind: Some(Kind::StringValue(text)) })) =
                    &change.ops[0].action
                else {
                    panic!("{change:?}")
                };
                counter = text.parse().unwrap();
                heard.push((version, change.ops[0].op_id.clone()));
            }
        }
    }
    heard
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_callers_lose_no_update_and_hear_the_same() {
    const TIMES: usize = 40;
    let (server, _folder) = Server::start().await;
    let (alice, bob) = (server.token("alice").await, server.token("bob").await);
    let (hers, his) =
        (Sync::watch(&server, &alice, "board", "").await, Sync::watch(&server, &bob, "board", "").await);
    let (hers, his) = tokio::join!(count(hers, "a", TIMES, 2 * TIMES), count(his, "b", TIMES, 2 * TIMES));
    assert_eq!(hers, his);
    assert_eq!(hers.len(), 2 * TIMES);

    let request = with_token(v1::GetDocumentRequest { id: "board".into() }, &alice);
    let document = server.documents().get_document(request).await.unwrap().into_inner().document.unwrap();
    let fields = document.content.unwrap().fields;
    assert_eq!(fields["counter"].kind, Some(Kind::StringValue((2 * TIMES).to_string())));
    let Some(Kind::StructValue(notes)) = &fields["notes"].kind else { panic!("{fields:?}") };
    assert_eq!(notes.fields.len(), 2 * TIMES);
}
