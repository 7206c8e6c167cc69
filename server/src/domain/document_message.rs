//! Turns documents and their changes into messages of the contract.

use lastmile_proto::v1;
use prost::Message;
use v1::document_op::Action as MessageAction;
use v1::watch_document_response::Change;

use crate::error::{Error, Result};
use crate::model::{Action, Document, DocumentOp, StoredEvent};

/// The message of a document.
pub fn document_message(document: Document) -> v1::Document {
    v1::Document {
        id: document.id,
        version: document.version,
        content: Some(document.content),
        create_time: Some(document.created.into()),
        update_time: Some(document.updated.into()),
    }
}

/// The message of a change of a document, without its cursors.
///
/// # Errors
/// When the stored body is damaged.
pub fn document_change_message(event: &StoredEvent) -> Result<v1::WatchDocumentResponse> {
    v1::WatchDocumentResponse::decode(event.body.as_slice()).map_err(Error::internal)
}

/// The body of the event that tells of operations.
pub(super) fn committed_body(id: String, version: u32, ops: &[DocumentOp], publisher: String) -> Vec<u8> {
    let ops = ops.iter().map(op_message).collect();
    body(Change::DocumentChanged(v1::DocumentChanged { id, version, ops, publisher }))
}

/// The body of the event that tells of a deletion.
pub(super) fn deleted_body(id: String, version: u32, publisher: String) -> Vec<u8> {
    body(Change::DocumentDeleted(v1::DocumentDeleted { id, version, publisher }))
}

fn body(change: Change) -> Vec<u8> {
    v1::WatchDocumentResponse { change: Some(change), ..Default::default() }.encode_to_vec()
}

fn op_message(op: &DocumentOp) -> v1::DocumentOp {
    let action = match &op.action {
        Action::Set(value) => MessageAction::Set(value.clone()),
        Action::Delete => MessageAction::Delete(()),
    };
    v1::DocumentOp { op_id: op.id.clone(), path: op.path.to_string(), action: Some(action) }
}
