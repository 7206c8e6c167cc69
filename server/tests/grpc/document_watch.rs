//! WatchDocument: from a snapshot on, across deletions, with cursors that cannot go on.

use lastmile_proto::v1;
use tonic::{Code, Status, Streaming};
use v1::watch_document_response::Change;

use crate::harness::{Server, assert_refused, commit, next, with_token};

async fn watch(
    server: &Server,
    token: &str,
    id: &str,
    cursor: &str,
) -> Result<Streaming<v1::WatchDocumentResponse>, Status> {
    let request = v1::WatchDocumentRequest { id: id.into(), cursor: cursor.into() };
    Ok(server.documents().watch_document(with_token(request, token)).await?.into_inner())
}

async fn make(server: &Server, token: &str, request: v1::CommitDocumentRequest) -> String {
    server.documents().commit_document(with_token(request, token)).await.unwrap().into_inner().cursor
}

#[tokio::test]
async fn watching_continues_from_a_snapshot_across_restart_deletion_and_creation() {
    let (server, folder) = Server::start().await;
    let (alice, bob) = (server.token("alice").await, server.token("bob").await);
    let request = with_token(v1::GetDocumentRequest { id: "board".into() }, &alice);
    let snapshot = server.documents().get_document(request).await.unwrap().into_inner();
    assert_eq!(snapshot.document.unwrap().version, 1);
    make(&server, &alice, commit("other", 0, &[("1", "/a", "x")])).await;
    let first = make(&server, &alice, commit("board", 1, &[("1", "/a", "x"), ("2", "/b", "y")])).await;

    let mut stream = watch(&server, &alice, "board", &snapshot.cursor).await.unwrap();
    let position = next(&mut stream).await;
    assert!(position.position && position.change.is_none());
    assert_eq!(position.cursor, snapshot.cursor);
    let changed = next(&mut stream).await;
    assert_eq!((&changed.cursor, &changed.previous), (&first, &snapshot.cursor));
    let Some(Change::DocumentChanged(changed)) = changed.change else { panic!("{changed:?}") };
    assert_eq!((changed.id.as_str(), changed.version, changed.publisher.as_str()), ("board", 2, "alice"));
    assert_eq!(changed.ops.iter().map(|op| op.op_id.as_str()).collect::<Vec<_>>(), ["1", "2"]);
    drop(stream);
    server.stop().await;

    let server = Server::start_in(folder.path()).await;
    let deletion = with_token(v1::DeleteDocumentRequest { id: "board".into(), version: 2 }, &bob);
    server.documents().delete_document(deletion).await.unwrap();
    let mut stream = watch(&server, &alice, "board", &first).await.unwrap();
    assert_eq!(next(&mut stream).await.cursor, first);
    let deleted = next(&mut stream).await;
    let Some(Change::DocumentDeleted(gone)) = deleted.change else { panic!("{deleted:?}") };
    assert_eq!((gone.id.as_str(), gone.version, gone.publisher.as_str()), ("board", 3, "bob"));

    let not_found = (Code::NotFound, "DOCUMENT_NOT_FOUND");
    assert_refused(watch(&server, &alice, "board", "").await, not_found.0, not_found.1, &[]);
    let ask = v1::WatchDocumentRequest { id: "board".into(), ..Default::default() };
    let answer = server.documents().authorize_watch_document(with_token(ask.clone(), &alice)).await;
    assert_refused(answer, not_found.0, not_found.1, &[]);
    let again = make(&server, &bob, commit("board", 0, &[("3", "/a", "x")])).await;
    let changed = next(&mut stream).await;
    assert_eq!((changed.cursor, changed.previous), (again, deleted.cursor));
    assert!(matches!(changed.change, Some(Change::DocumentChanged(each)) if each.version == 4));
    server.documents().authorize_watch_document(with_token(ask, &alice)).await.unwrap();
}

#[tokio::test]
async fn a_known_commit_tells_nobody() {
    let (server, _folder) = Server::start().await;
    let alice = server.token("alice").await;
    let mut stream = watch(&server, &alice, "board", "").await.unwrap();
    assert!(next(&mut stream).await.position);
    let mut cursors = Vec::new();
    for _ in 0..3 {
        cursors.push(make(&server, &alice, commit("board", 1, &[("1", "/a", "x")])).await);
    }
    cursors.dedup();
    cursors.push(make(&server, &alice, commit("board", 2, &[("1", "/a", "x"), ("2", "/b", "y")])).await);
    let seen = [next(&mut stream).await, next(&mut stream).await];
    assert_eq!(seen.each_ref().map(|each| each.cursor.clone()).to_vec(), cursors);
    let Some(Change::DocumentChanged(second)) = &seen[1].change else { panic!("{seen:?}") };
    assert_eq!(second.ops.iter().map(|op| op.op_id.as_str()).collect::<Vec<_>>(), ["2"], "only what was new");
}

#[tokio::test]
async fn what_cannot_be_watched_fails_before_the_first_message() {
    let (server, _folder) = Server::start().await;
    let alice = server.token("alice").await;
    let refused = async |id: &str, cursor: &str, code, reason: &str, fields: &[&str]| {
        assert_refused(watch(&server, &alice, id, cursor).await, code, reason, fields);
    };
    refused("nowhere", "", Code::NotFound, "DOCUMENT_NOT_FOUND", &[]).await;
    refused("a/b", "", Code::InvalidArgument, "FIELD_INVALID", &["id"]).await;
    refused("board", "rubbish", Code::InvalidArgument, "CURSOR_INVALID", &["cursor"]).await;
    let (other, _other_folder) = Server::start().await;
    let bob = other.token("bob").await;
    let foreign = make(&other, &bob, commit("board", 1, &[("1", "/a", "x")])).await;
    refused("board", &foreign, Code::OutOfRange, "CURSOR_EPOCH_CHANGED", &[]).await;
}
