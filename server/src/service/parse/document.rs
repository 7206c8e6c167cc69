//! Requests of DocumentService.

use std::collections::HashSet;

use lastmile_proto::v1;
use prost::Message;
use prost_types::Value;
use prost_types::value::Kind;
use v1::document_op::Action as Asked;
use v1::sync_document_request::Frame;

use super::check::Check;
use super::value::{MAX_LEVELS, is_json, levels};
use crate::error::{Error, Result};
use crate::log::{Log, Start};
use crate::model::{Action, DocumentCommit, DocumentOp, EventLimit, Pointer};
use crate::service::page;
use crate::store::DocumentQuery;

/// Bytes of a page of documents: below the message limit that clients have by default.
const PAGE_BYTES: usize = 1 << 20;

/// Operations of one commit.
const MAX_OPS: usize = 256;

/// Bytes by which an event is larger than the commit it tells of: its version, its publisher.
const ENVELOPE: usize = 512;

/// Bytes of a path.
const MAX_PATH: usize = 1024;

/// Names that are not only data to JavaScript.
const RESERVED: [&str; 3] = ["__proto__", "constructor", "prototype"];

const OP_ID_RULE: &str = "must differ from the op_id of every other operation of the commit";
const NUMBERS_RULE: &str = "must be a JSON value; NaN and Infinity are none";
const RESERVED_RULE: &str = "must not name __proto__, constructor or prototype";
const LEVELS_RULE: &str = "would make the document deeper than 24 levels of objects and arrays";

/// Which page of documents.
pub(in crate::service) fn list_documents(request: &v1::ListDocumentsRequest) -> Result<DocumentQuery> {
    let mut check = Check::default();
    let limit = check.take(page::size(request.page_size), "page_size", "must be 0-1000");
    let after = match request.page_token.as_str() {
        "" => String::new(),
        token => check.take(
            page::key("documents", "", token),
            "page_token",
            "must be the next_page_token of this list",
        ),
    };
    check.finish()?;
    Ok(DocumentQuery { after, limit, bytes: PAGE_BYTES })
}

/// The id of a document, which is named by `id`.
pub(in crate::service) fn document_id(id: String) -> Result<String> {
    let mut check = Check::default();
    check.id(&id, "id");
    check.finish()?;
    Ok(id)
}

/// The document to delete, and the version it must have.
pub(in crate::service) fn delete_document(
    request: v1::DeleteDocumentRequest,
) -> Result<(String, Option<u32>)> {
    let id = document_id(request.id)?;
    Ok((id, Some(request.version).filter(|version| *version > 0)))
}

/// The document to watch, and where to begin if the log still goes on from there.
pub(in crate::service) fn watch_document(
    log: &Log,
    request: v1::WatchDocumentRequest,
) -> Result<(String, Result<Start>)> {
    let mut check = Check::default();
    check.id(&request.id, "id");
    let start = check.start(log, &request.cursor, 0);
    check.finish()?;
    Ok((request.id, start))
}

/// Operations on a document.
pub(in crate::service) fn commit_document(
    limit: EventLimit,
    request: v1::CommitDocumentRequest,
) -> Result<DocumentCommit> {
    let mut check = Check::default();
    check.id(&request.id, "id");
    let count = request.ops.len();
    check.require((1..=MAX_OPS).contains(&count), "ops", "must have 1-256 operations");
    check.encoded(request.encoded_len(), limit.0 - ENVELOPE, "ops");
    let mut ids = HashSet::new();
    let ops = request.ops.into_iter().take(MAX_OPS).enumerate().map(|(index, op)| {
        let at = format!("ops[{index}]");
        check.require(ids.insert(op.op_id.clone()), &format!("{at}.op_id"), OP_ID_RULE);
        document_op(&mut check, op, &at)
    });
    let ops = ops.collect();
    check.finish()?;
    Ok(DocumentCommit { id: request.id, base: request.base_version, ops })
}

fn document_op(check: &mut Check, op: v1::DocumentOp, at: &str) -> DocumentOp {
    check.id(&op.op_id, &format!("{at}.op_id"));
    let path = document_path(check, &op.path, &format!("{at}.path"));
    let (is_root, above) = (op.path.is_empty(), path.members().count());
    let action = match op.action {
        Some(Asked::Set(value)) => {
            check_value(check, &value, above, &format!("{at}.set"));
            let is_object = matches!(value.kind, Some(Kind::StructValue(_)));
            check.require(!is_root || is_object, &format!("{at}.set"), "must be an object at path \"\"");
            Action::Set(value)
        }
        Some(Asked::Delete(())) => {
            let what = "must not be \"\": DeleteDocument deletes the whole document";
            check.require(!is_root, &format!("{at}.path"), what);
            Action::Delete
        }
        None => {
            check.require(false, &format!("{at}.set"), "is required, or `delete` instead");
            Action::Delete
        }
    };
    DocumentOp { id: op.op_id, path, action }
}

fn document_path(check: &mut Check, text: &str, field: &str) -> Pointer {
    check.require(text.len() <= MAX_PATH, field, "must have at most 1,024 bytes");
    let path = Pointer::parse(text).unwrap_or_else(|why| {
        check.require(false, field, &why.to_string());
        Pointer::default()
    });
    check.require(!path.members().any(|name| is_reserved(&name)), field, RESERVED_RULE);
    check.require(path.members().count() <= MAX_LEVELS, field, LEVELS_RULE);
    path
}

fn check_value(check: &mut Check, value: &Value, above: usize, field: &str) {
    check.require(is_json(value), field, NUMBERS_RULE);
    check.require(!names_reserved(value), field, RESERVED_RULE);
    check.require(above > MAX_LEVELS || above + levels(value) <= MAX_LEVELS, field, LEVELS_RULE);
}

fn names_reserved(value: &Value) -> bool {
    match &value.kind {
        Some(Kind::StructValue(object)) => {
            object.fields.iter().any(|(name, value)| is_reserved(name) || names_reserved(value))
        }
        Some(Kind::ListValue(list)) => list.values.iter().any(names_reserved),
        _ => false,
    }
}

fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
}

/// What a SyncDocument caller says.
#[derive(Debug)]
pub(in crate::service) enum SyncFrame {
    /// Begins watching.
    Watch(String, Start),
    /// Commits operations on the document that is watched.
    Commit(DocumentCommit),
}

/// A message of a SyncDocument caller; `watched` is the document, once it is known.
pub(in crate::service) fn sync_document(
    limit: EventLimit,
    log: &Log,
    watched: Option<&str>,
    request: v1::SyncDocumentRequest,
) -> Result<SyncFrame> {
    let within = |name: &'static str| move |error: Error| error.within(name);
    match (request.frame, watched) {
        (Some(Frame::Watch(watch)), None) => {
            let (id, start) = watch_document(log, watch).map_err(within("watch"))?;
            Ok(SyncFrame::Watch(id, start?))
        }
        (Some(Frame::Watch(_)), Some(_)) => Err(Error::invalid(
            "watch",
            "must be the first message only: open another call for another document",
        )),
        (Some(Frame::Commit(commit)), Some(id)) if commit.id.is_empty() || commit.id == id => {
            let commit = v1::CommitDocumentRequest { id: id.to_owned(), ..commit };
            commit_document(limit, commit).map(SyncFrame::Commit).map_err(within("commit"))
        }
        (Some(Frame::Commit(_)), Some(_)) => {
            Err(Error::invalid("commit.id", "must be empty, or the document that is watched"))
        }
        (_, None) => Err(Error::invalid("watch", "must come first: name the document to watch")),
        (None, Some(_)) => Err(Error::invalid("commit", "is required")),
    }
}

#[cfg(test)]
mod tests {
    use prost_types::{ListValue, Struct};

    use super::*;

    const LIMIT: EventLimit = EventLimit(64 * 1024);

    fn text(text: &str) -> Value {
        Value { kind: Some(Kind::StringValue(text.to_owned())) }
    }

    fn object(name: &str, value: Value) -> Value {
        Value { kind: Some(Kind::StructValue(Struct { fields: [(name.to_owned(), value)].into() })) }
    }

    fn list(value: Value) -> Value {
        Value { kind: Some(Kind::ListValue(ListValue { values: vec![value] })) }
    }

    fn nested(levels: usize) -> Value {
        (0..levels).fold(text("x"), |value, n| if n % 2 == 0 { list(value) } else { object("a", value) })
    }

    fn op(id: &str, path: &str, action: Option<Asked>) -> v1::DocumentOp {
        v1::DocumentOp { op_id: id.to_owned(), path: path.to_owned(), action }
    }

    fn set(path: &str, value: Value) -> v1::DocumentOp {
        op("op", path, Some(Asked::Set(value)))
    }

    #[track_caller]
    fn check(ops: Vec<v1::DocumentOp>, expected: &[&str]) {
        let request = v1::CommitDocumentRequest { id: "board".to_owned(), base_version: 0, ops };
        let fields: Vec<_> = match commit_document(LIMIT, request) {
            Ok(_) => Vec::new(),
            Err(Error::Invalid(violations)) => violations.into_iter().map(|each| each.field).collect(),
            Err(other) => panic!("{other:?}"),
        };
        assert_eq!(fields, expected);
    }

    #[test]
    fn good_operations_pass() {
        check(vec![set("", object("a", text("x")))], &[]);
        check(vec![set("/", text("x"))], &[]);
        check(vec![set("/a~1b/~0/0", list(nested(2)))], &[]);
        check(vec![op("op", "/a", Some(Asked::Delete(())))], &[]);
        check(vec![set(&format!("/{}", "x".repeat(1023)), text("x"))], &[]);
        check((0..256).map(|n| op(&n.to_string(), "/a", Some(Asked::Delete(())))).collect(), &[]);
    }

    #[test]
    fn bad_operations_name_their_fields() {
        check(vec![], &["ops"]);
        check((0..257).map(|n| op(&n.to_string(), "/a", Some(Asked::Delete(())))).collect(), &["ops"]);
        check(vec![set("/a", text(&"x".repeat(LIMIT.0 - ENVELOPE)))], &["ops"]);
        check(vec![set("/a", text("x")), set("/b", text("x"))], &["ops[1].op_id"]);
        check(vec![op("", "/a", Some(Asked::Delete(())))], &["ops[0].op_id"]);
        check(vec![op("op", "/a", None)], &["ops[0].set"]);
        check(vec![op("op", "", Some(Asked::Delete(())))], &["ops[0].path"]);
        for path in ["a", "/~2", "/a/__proto__/b", "/constructor", "/prototype"] {
            check(vec![set(path, text("x"))], &["ops[0].path"]);
        }
        check(vec![set(&format!("/{}", "x".repeat(1024)), text("x"))], &["ops[0].path"]);
        for value in [
            Value::default(),
            Value { kind: Some(Kind::NumberValue(f64::NAN)) },
            list(object("a", Value { kind: Some(Kind::NumberValue(f64::INFINITY)) })),
            object("__proto__", text("x")),
            list(object("a", object("constructor", text("x")))),
        ] {
            check(vec![set("/a", value)], &["ops[0].set"]);
        }
        check(vec![set("", text("x"))], &["ops[0].set"]);
        check(
            vec![set("a", Value::default()), op("ä", "/b", None)],
            &["ops[0].path", "ops[0].set", "ops[1].op_id", "ops[1].set"],
        );
    }

    #[test]
    fn path_and_value_together_are_at_most_24_levels() {
        let path = |members: usize| "/a".repeat(members);
        for (members, levels, fields) in [
            (24, 0, &[][..]),
            (23, 1, &[]),
            (1, 23, &[]),
            (0, 24, &[]),
            (25, 0, &["ops[0].path"]),
            (24, 1, &["ops[0].set"]),
            (1, 24, &["ops[0].set"]),
            (0, 26, &["ops[0].set"]),
        ] {
            check(vec![set(&path(members), nested(levels))], fields);
        }
    }
}
