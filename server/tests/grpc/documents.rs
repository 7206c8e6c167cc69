//! Documents: reading, committing, deleting.

use lastmile_proto::v1;
use prost::Message;
use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value};
use rusqlite::Connection;
use tonic::{Code, Status};

use crate::harness::{Server, assert_refused, commit, nested, set, with_token};

async fn make(server: &Server, token: &str, request: v1::CommitDocumentRequest) -> Result<u32, Status> {
    let answer = server.documents().commit_document(with_token(request, token)).await?;
    Ok(answer.into_inner().version)
}

async fn get(server: &Server, token: &str, id: &str) -> Result<v1::Document, Status> {
    let request = with_token(v1::GetDocumentRequest { id: id.into() }, token);
    Ok(server.documents().get_document(request).await?.into_inner().document.unwrap())
}

async fn list(
    server: &Server,
    token: &str,
    request: v1::ListDocumentsRequest,
) -> (Vec<String>, v1::ListDocumentsResponse) {
    let page = server.documents().list_documents(with_token(request, token)).await.unwrap().into_inner();
    (page.documents.iter().map(|document| document.id.clone()).collect(), page)
}

async fn delete(server: &Server, token: &str, id: &str, version: u32) -> Result<(), Status> {
    let request = with_token(v1::DeleteDocumentRequest { id: id.into(), version }, token);
    server.documents().delete_document(request).await.map(drop)
}

/// The members of a document, which are all texts.
fn texts(document: &v1::Document) -> Vec<(&str, &str)> {
    fn text(value: &Value) -> &str {
        match &value.kind {
            Some(Kind::StringValue(text)) => text,
            other => panic!("{other:?}"),
        }
    }
    let fields = &document.content.as_ref().unwrap().fields;
    fields.iter().map(|(name, value)| (name.as_str(), text(value))).collect()
}

fn conflict(status: &Status) -> v1::DocumentConflict {
    let details = tonic_types::pb::Status::decode(status.details()).unwrap().details;
    let any = details.iter().find(|any| any.type_url == "type.googleapis.com/lastmile.v1.DocumentConflict");
    v1::DocumentConflict::decode(any.unwrap().value.as_slice()).unwrap()
}

#[tokio::test]
async fn a_document_is_created_changed_deleted_and_created_again() {
    let (server, folder) = Server::start().await;
    let alice = server.token("alice").await;
    assert_eq!(
        make(&server, &alice, commit("plan", 0, &[("1", "/a", "x"), ("2", "/b", "y")])).await.unwrap(),
        1
    );
    let created = get(&server, &alice, "plan").await.unwrap();
    assert_eq!((created.version, texts(&created)), (1, vec![("a", "x"), ("b", "y")]));
    assert_eq!(make(&server, &alice, commit("plan", 1, &[("3", "/a", "z")])).await.unwrap(), 2);
    server.stop().await;

    let server = Server::start_in(folder.path()).await;
    let changed = get(&server, &alice, "plan").await.unwrap();
    assert_eq!((changed.version, texts(&changed)), (2, vec![("a", "z"), ("b", "y")]));
    assert_eq!(changed.create_time, created.create_time);
    assert_eq!(list(&server, &alice, v1::ListDocumentsRequest::default()).await.0, ["board", "plan"]);

    assert_refused(delete(&server, &alice, "plan", 1).await, Code::Aborted, "ETAG_MISMATCH", &[]);
    delete(&server, &alice, "plan", 2).await.unwrap();
    let not_found = (Code::NotFound, "DOCUMENT_NOT_FOUND");
    assert_refused(get(&server, &alice, "plan").await, not_found.0, not_found.1, &[]);
    assert_refused(delete(&server, &alice, "plan", 0).await, not_found.0, not_found.1, &[]);
    let late = make(&server, &alice, commit("plan", 2, &[("4", "/a", "x")])).await;
    assert_refused(late, not_found.0, not_found.1, &[]);
    assert_eq!(list(&server, &alice, v1::ListDocumentsRequest::default()).await.0, ["board"]);

    assert_eq!(make(&server, &alice, commit("plan", 0, &[("5", "/c", "x")])).await.unwrap(), 4);
    let again = get(&server, &alice, "plan").await.unwrap();
    assert_eq!(texts(&again), [("c", "x")]);
    assert_ne!(again.create_time, created.create_time);
}

#[tokio::test]
async fn disjoint_operations_merge_and_others_are_told_what_stands_there() {
    let (server, _folder) = Server::start().await;
    let (alice, bob) = (server.token("alice").await, server.token("bob").await);
    make(&server, &alice, commit("plan", 0, &[("1", "/a", "x"), ("2", "/b", "y")])).await.unwrap();
    assert_eq!(make(&server, &alice, commit("plan", 1, &[("3", "/a", "hers")])).await.unwrap(), 2);
    assert_eq!(make(&server, &bob, commit("plan", 1, &[("4", "/b", "his")])).await.unwrap(), 3);
    assert_eq!(make(&server, &bob, commit("plan", 0, &[("5", "/c", "new")])).await.unwrap(), 4);

    let both = commit("plan", 1, &[("6", "/a", "x"), ("7", "/b/below", "y"), ("8", "/d", "z")]);
    let status = make(&server, &bob, both).await.unwrap_err();
    let told = conflict(&status);
    assert_eq!(told.version, 4);
    let paths: Vec<_> = told.paths.iter().map(|each| (each.path.as_str(), each.version)).collect();
    assert_eq!(paths, [("/a", 2), ("/b/below", 3)]);
    assert_eq!(told.paths[0].current, Some(Value { kind: Some(Kind::StringValue("hers".into())) }));
    assert_eq!((told.paths[1].current.as_ref(), told.paths[1].current_omitted), (None, false));
    assert_refused(Err::<(), _>(status), Code::Aborted, "DOCUMENT_CONFLICT", &[]);
    let after = get(&server, &alice, "plan").await.unwrap();
    assert_eq!((after.version, texts(&after)), (4, vec![("a", "hers"), ("b", "his"), ("c", "new")]));
}

#[tokio::test]
async fn a_large_conflict_still_reaches_the_caller() {
    let (server, _folder) = Server::start().await;
    let alice = server.token("alice").await;
    let large = "x".repeat(60_000);
    make(&server, &alice, commit("plan", 0, &[("1", "/large", &large), ("2", "/small", "x")])).await.unwrap();
    let names: Vec<(String, String)> =
        (0..200).map(|n| (format!("n{n}"), format!("/{n}/{}", "ö".repeat(30)))).collect();
    let mut ops = vec![("a", "/large", ""), ("b", "/small", "")];
    ops.extend(names.iter().map(|(id, path)| (id.as_str(), path.as_str(), "x")));
    let whole = [set("3", "", Kind::StructValue(Struct::default()))].into();
    let whole = v1::CommitDocumentRequest { id: "plan".into(), base_version: 1, ops: whole };
    let emptied = make(&server, &alice, whole).await.unwrap();
    make(&server, &alice, commit("plan", emptied, &[("4", "/large", &large)])).await.unwrap();

    let told = conflict(&make(&server, &alice, commit("plan", 1, &ops)).await.unwrap_err());
    assert_eq!(told.paths.len() + told.omitted_paths as usize, 202);
    assert!(told.paths[0].current_omitted && told.paths[0].current.is_none());
    assert!(!told.paths[1].current_omitted);
    assert!(told.paths.len() > 20, "{}", told.paths.len());
}

#[tokio::test]
async fn known_operations_are_not_applied_twice() {
    let (server, folder) = Server::start().await;
    let (alice, bob) = (server.token("alice").await, server.token("bob").await);
    let request = || with_token(commit("plan", 0, &[("1", "/a", "x"), ("2", "/b", "y")]), &alice);
    let first = server.documents().commit_document(request()).await.unwrap().into_inner();
    make(&server, &bob, commit("plan", 1, &[("3", "/c", "z")])).await.unwrap();
    server.stop().await;

    let server = Server::start_in(folder.path()).await;
    let again = server.documents().commit_document(request()).await.unwrap().into_inner();
    assert_eq!(first, again);
    assert_eq!(get(&server, &alice, "plan").await.unwrap().version, 2);
    let other = make(&server, &alice, commit("plan", 2, &[("4", "/d", "z"), ("1", "/a", "other")])).await;
    assert_refused(other, Code::AlreadyExists, "OP_ID_REUSED", &["ops[1].op_id"]);
    let more = commit("plan", 0, &[("1", "/a", "x"), ("2", "/b", "y"), ("5", "/a", "on top")]);
    assert_eq!(make(&server, &alice, more).await.unwrap(), 3);
    delete(&server, &alice, "plan", 0).await.unwrap();
    assert_eq!(server.documents().commit_document(request()).await.unwrap().into_inner(), first);
    assert_refused(get(&server, &alice, "plan").await, Code::NotFound, "DOCUMENT_NOT_FOUND", &[]);

    // After a week they are forgotten.
    let db = Connection::open(folder.path().join("lastmile.db")).unwrap();
    let week = 7 * 24 * 60 * 60 * 1_000_000_i64;
    assert_eq!(db.execute("UPDATE document_op SET expires = expires - ?1", [week]).unwrap(), 5);
    assert_eq!(server.documents().commit_document(request()).await.unwrap().into_inner().version, 5);
}

#[tokio::test]
async fn bad_commits_name_their_fields_and_write_nothing() {
    let (server, _folder) = Server::start().await;
    let alice = server.token("alice").await;
    let list = Kind::ListValue(ListValue { values: vec![nested(0)] });
    let ops = vec![set("1", "/list", list), set("2", "/text", Kind::StringValue("x".into()))];
    let creation = v1::CommitDocumentRequest { id: "plan".into(), base_version: 0, ops };
    make(&server, &alice, creation).await.unwrap();
    let before = get(&server, &alice, "plan").await.unwrap();
    for (request, fields) in [
        (commit("plan", 1, &[]), &["ops"][..]),
        (commit("a/b", 1, &[("3", "/a", "x")]), &["id"]),
        (
            commit("", 1, &[("3", "a", "x"), ("3", "/__proto__", "x")]),
            &["id", "ops[0].path", "ops[1].op_id", "ops[1].path"],
        ),
        (commit("plan", 2, &[("3", "/a", "x")]), &["base_version"]),
        (commit("new", 1, &[("3", "", "x")]), &["ops[0].set"]),
        (
            commit("plan", 1, &[("3", "/a", "x"), ("4", "/list/0", "x"), ("5", "/text/b", "x")]),
            &["ops[1].path", "ops[2].path"],
        ),
        (commit("plan", 1, &[("3", "/a", &"x".repeat(65_100))]), &["ops"]),
    ] {
        let answer = make(&server, &alice, request).await;
        assert_refused(answer, Code::InvalidArgument, "FIELD_INVALID", fields);
    }
    for number in [f64::NAN, f64::INFINITY] {
        let ops = vec![set("3", "/a", Kind::NumberValue(number))];
        let request = v1::CommitDocumentRequest { id: "plan".into(), base_version: 1, ops };
        assert_refused(
            make(&server, &alice, request).await,
            Code::InvalidArgument,
            "FIELD_INVALID",
            &["ops[0].set"],
        );
    }
    assert_eq!(get(&server, &alice, "plan").await.unwrap(), before);
}

#[tokio::test]
async fn a_document_of_24_levels_survives_every_way_and_deeper_ones_are_refused() {
    let (server, _folder) = Server::start().await;
    let alice = server.token("alice").await;
    let mut documents = server.documents();
    let creation = |id: &str, path: &str, levels| v1::CommitDocumentRequest {
        id: id.into(),
        base_version: 0,
        ops: vec![set("deep", path, nested(levels).kind.unwrap())],
    };
    make(&server, &alice, creation("whole", "", 24)).await.unwrap();
    make(&server, &alice, creation("path", &"/a".repeat(12), 12)).await.unwrap();
    let too_deep = make(&server, &alice, creation("deeper", &"/a".repeat(12), 13)).await;
    assert_refused(too_deep, Code::InvalidArgument, "FIELD_INVALID", &["ops[0].set"]);

    let request = with_token(v1::GetDocumentRequest { id: "whole".into() }, &alice);
    let found = documents.get_document(request).await.unwrap().into_inner();
    let content = Value { kind: Some(Kind::StructValue(found.document.unwrap().content.unwrap())) };
    assert_eq!(content, nested(24));
    assert_eq!(
        list(&server, &alice, v1::ListDocumentsRequest::default()).await.0,
        ["board", "path", "whole"]
    );

    let watch = v1::WatchDocumentRequest { id: "whole".into(), cursor: found.cursor };
    let mut stream = documents.watch_document(with_token(watch, &alice)).await.unwrap().into_inner();
    stream.message().await.unwrap().unwrap();
    let again = v1::CommitDocumentRequest {
        base_version: 1,
        ops: vec![set("again", "", nested(24).kind.unwrap())],
        ..creation("whole", "", 24)
    };
    make(&server, &alice, again).await.unwrap();
    let changed = stream.message().await.unwrap().unwrap().change.unwrap();
    let v1::watch_document_response::Change::DocumentChanged(changed) = changed else {
        panic!("{changed:?}")
    };
    assert_eq!(changed.ops[0].action, Some(v1::document_op::Action::Set(nested(24))));
    let late = v1::CommitDocumentRequest { base_version: 1, ..creation("whole", "/a", 0) };
    let late = v1::CommitDocumentRequest { ops: vec![set("late", "/a", Kind::BoolValue(true))], ..late };
    let told = conflict(&make(&server, &alice, late).await.unwrap_err());
    assert_eq!(told.paths[0].current, Some(nested(23)));
}

#[tokio::test]
async fn documents_end_at_their_size_and_pages_at_theirs() {
    let (server, _folder) = Server::start().await;
    let alice = server.token("alice").await;
    let text = "\u{1}".repeat(10_000);
    let (mut version, mut refused) = (0, None);
    while refused.is_none() {
        let name = format!("n{version}");
        match make(&server, &alice, commit("large", version, &[(&name, &format!("/{name}"), &text)])).await {
            Ok(made) => version = made,
            Err(status) => refused = Some(status),
        }
    }
    // Six bytes for each character as JSON.
    assert_eq!(version, 17);
    assert_refused(Err::<(), _>(refused.unwrap()), Code::InvalidArgument, "FIELD_INVALID", &["ops"]);
    assert_eq!(get(&server, &alice, "large").await.unwrap().version, 17);

    let numbers = |n: u32| {
        let values = vec![Value { kind: Some(Kind::NumberValue(1.0)) }; 5_000];
        let ops = vec![set(&n.to_string(), &format!("/{n}"), Kind::ListValue(ListValue { values }))];
        v1::CommitDocumentRequest { id: "numbers".into(), base_version: n, ops }
    };
    let mut version = 0;
    while let Ok(made) = make(&server, &alice, numbers(version)).await {
        version = made;
    }
    assert_eq!(version, 2 * 1024 * 1024 / (5_000 * 11), "protobuf needs eleven bytes for each");
    get(&server, &alice, "numbers").await.unwrap();

    let (ids, page) = list(&server, &alice, v1::ListDocumentsRequest::default()).await;
    assert_eq!(ids, ["board", "large"]);
    let next = v1::ListDocumentsRequest { page_token: page.next_page_token, ..Default::default() };
    let (ids, page) = list(&server, &alice, next).await;
    assert_eq!((ids, page.next_page_token.as_str()), (vec!["numbers".to_owned()], ""));
    let one = v1::ListDocumentsRequest { page_size: 1, ..Default::default() };
    assert_eq!(list(&server, &alice, one).await.0, ["board"]);
    let bad = v1::ListDocumentsRequest { page_size: -1, page_token: "x".into() };
    let answer = server.documents().list_documents(with_token(bad, &alice)).await;
    assert_refused(answer, Code::InvalidArgument, "FIELD_INVALID", &["page_size", "page_token"]);
}

#[tokio::test]
async fn the_largest_commit_is_an_event_of_64_kib() {
    let (server, folder) = Server::start().await;
    let alice = server.token("alice").await;
    let ids: Vec<String> = (0..255).map(|n| format!("{n:0128}")).collect();
    let paths: Vec<String> = (0..255).map(|n| format!("/{n}")).collect();
    let filled = |last: usize| {
        let fill = "x".repeat(last);
        let mut ops: Vec<(&str, &str, &str)> =
            ids.iter().zip(&paths).map(|(id, path)| (id.as_str(), path.as_str(), "xx")).collect();
        ops.push(("last", "/last", &fill));
        commit(&"i".repeat(128), 0, &ops)
    };
    // The lengths of the text, its value and its operation need two more bytes each than those of an empty one.
    let room = 65_024 - filled(0).encoded_len() - 6;
    let over = make(&server, &alice, filled(room + 1)).await;
    assert_refused(over, Code::InvalidArgument, "FIELD_INVALID", &["ops"]);
    make(&server, &alice, filled(room)).await.unwrap();
    let db = Connection::open(folder.path().join("lastmile.db")).unwrap();
    let largest: usize = db.query_row("SELECT max(length(body)) FROM event", [], |row| row.get(0)).unwrap();
    assert!((65_000..=65_536).contains(&largest), "{largest}");
}

#[tokio::test]
async fn documents_are_for_callers_who_have_signed_in() {
    let (server, _folder) = Server::start().await;
    let mut documents = server.documents();
    let required = (Code::Unauthenticated, "LOGIN_REQUIRED");
    let id = || "board".to_owned();
    let listed = documents.list_documents(v1::ListDocumentsRequest::default()).await;
    assert_refused(listed, required.0, required.1, &[]);
    let got = documents.get_document(v1::GetDocumentRequest { id: id() }).await;
    assert_refused(got, required.0, required.1, &[]);
    let deleted = documents.delete_document(v1::DeleteDocumentRequest { id: id(), version: 0 }).await;
    assert_refused(deleted, required.0, required.1, &[]);
    let committed = documents.commit_document(commit("board", 1, &[("1", "/a", "x")])).await;
    assert_refused(committed, required.0, required.1, &[]);
    let watch = || v1::WatchDocumentRequest { id: id(), ..Default::default() };
    assert_refused(documents.watch_document(watch()).await, required.0, required.1, &[]);
    assert_refused(documents.authorize_watch_document(watch()).await, required.0, required.1, &[]);
    let synced = documents.sync_document(tokio_stream::empty()).await;
    assert_refused(synced, required.0, required.1, &[]);
}
