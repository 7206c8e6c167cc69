//! What can go wrong, with its gRPC face.
//!
//! Callers only write `?`; [`Error`] knows its code, its reason and its details. The text tells the developer of the
//! calling page or backend what to do next; inner causes go to the log, never to the wire.

use std::collections::HashMap;

use lastmile_proto::v1::DocumentConflict;
use prost::Message;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

/// The `domain` of every `google.rpc.ErrorInfo` this server sends.
pub const ERROR_DOMAIN: &str = "lastmile.v1";

/// Bytes of the text of an error: it travels in headers, for which clients and proxies have little room.
const MAX_MESSAGE: usize = 1024;

/// Bytes of the wrong fields in its details.
const MAX_FIELDS: usize = 3 * 1024;

/// Bytes of a wrong field besides its two texts.
const FRAME: usize = 8;

/// Bytes that are told of one field.
const MAX_DESCRIPTION: usize = 512;

/// The result of everything that can fail with an [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A field of a request that does not hold what it must.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Path of the field, such as `user.name`.
    pub field: String,
    /// What it must hold.
    pub description: String,
}

impl Violation {
    /// Says what `field` must hold.
    pub fn new(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self { field: field.into(), description: description.into() }
    }
}

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Fields of the request are wrong: all of them, not only the first. The wire has room for so many.
    #[error("{}", describe(.0))]
    Invalid(Vec<Violation>),
    /// The text is not a cursor of this server.
    #[error("the cursor in `{0}` is not one this server has given; leave it out to begin at now")]
    CursorInvalid(String),
    /// Events after the cursor have been deleted.
    #[error("the cursor is older than the events kept; read the state again and continue from its cursor")]
    CursorExpired,
    /// The cursor belongs to another incarnation of the log, or lies beyond its end.
    #[error("the cursor belongs to another log; read the state again and continue from its cursor")]
    CursorEpochChanged,
    /// Username and password do not match.
    #[error("username and password do not match")]
    LoginFailed,
    /// The call needs a credential and has none.
    #[error("sign in first: send the access token of Login as `authorization: Bearer TOKEN`")]
    LoginRequired,
    /// The token was valid once.
    #[error("the token has expired; get a new one with Refresh or Login")]
    TokenExpired,
    /// The token is not one of this server.
    #[error("the token is not valid; sign in again with Login")]
    TokenInvalid,
    /// A refresh token was used twice, so it is in other hands too.
    #[error("the refresh token was used before; every session of this login is ended, sign in again")]
    TokenReused,
    /// The token was withdrawn before it expired.
    #[error("the token has been revoked; get a new one with Refresh, or sign in again with Login")]
    TokenRevoked,
    /// The caller is known and may not do this.
    #[error("{0}")]
    Forbidden(String),
    /// A stream of all topics that a caller may read has to choose them again.
    #[error(
        "the topics that you may read have changed; subscribe again from the last cursor, and nothing is missed"
    )]
    TopicsChanged,
    /// There is no such thing.
    #[error("there is no {kind} {name:?}")]
    NotFound {
        /// `user`, `topic` or `document`.
        kind: &'static str,
        /// Which one was asked for.
        name: String,
    },
    /// Another user has this username.
    #[error("the username {0:?} is taken; choose another one")]
    UsernameTaken(String),
    /// There is a topic of this name.
    #[error("there is a topic {0:?} already; choose another name, or change that one with UpdateTopic")]
    TopicExists(String),
    /// Without this user nobody could administer the server.
    #[error("this is the last administrator; make somebody else an administrator first")]
    LastAdmin,
    /// Paths of a commit have changed since the version it was made on.
    #[error("{} changed since the version the commit was made on; take what stands there now and commit again", paths(.0))]
    DocumentConflict(DocumentConflict),
    /// The id of an operation came before, with another operation.
    #[error("the op_id {op_id:?} was used for another operation; use a new one for each operation")]
    OpIdReused {
        /// The id.
        op_id: String,
        /// Path of the field that holds it.
        field: String,
    },
    /// The idempotency key came before, with another event.
    #[error("the idempotency key {0:?} was used for another event; use a new key for each event")]
    IdempotencyKeyReused(String),
    /// The record changed since the caller read it.
    #[error("the {kind} {name:?} has changed since it was read; read it again and repeat the change")]
    EtagMismatch {
        /// `user`, `topic` or `document`.
        kind: &'static str,
        /// Which one.
        name: String,
    },
    /// A stream without a cursor was read so slowly that its next events are deleted.
    #[error("the stream fell too far behind; open it again")]
    FellBehind,
    /// The server is about to stop.
    #[error("the server is shutting down; connect again and resume from the last cursor")]
    ShuttingDown,
    /// The disk is full; nothing was written.
    #[error("the server's disk is full; nothing was written, try again later")]
    StorageFull,
    /// The disk takes no writes; nothing was written.
    #[error("the server's disk is read-only; nothing was written, try again later")]
    StorageReadOnly,
    /// Another process holds the database; nothing was written.
    #[error("another process holds the server's database; nothing was written, try again later")]
    StorageBusy,
    /// The database is damaged.
    #[error("the server's database is damaged; its operator has to restore a backup")]
    StorageDamaged(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The disk failed; nothing was answered as written that is not.
    #[error("the server's disk failed; it is unknown whether this was written, read it before trying again")]
    StorageFailed,
    /// A fault of the server.
    #[error("internal error; the server's log has the cause under this trace id")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// One wrong field.
    pub fn invalid(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self::Invalid(vec![Violation::new(field, description)])
    }

    /// A fault of the server.
    pub fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(cause.into())
    }

    /// The same error of a message that is a field of the request.
    #[must_use]
    pub fn within(self, field: &str) -> Self {
        let outer = |inner: String| format!("{field}.{inner}");
        match self {
            Self::Invalid(violations) => {
                let outer = |each: Violation| Violation { field: outer(each.field), ..each };
                Self::Invalid(violations.into_iter().map(outer).collect())
            }
            Self::CursorInvalid(inner) => Self::CursorInvalid(outer(inner)),
            Self::OpIdReused { op_id, field } => Self::OpIdReused { op_id, field: outer(field) },
            other => other,
        }
    }

    /// The same refusal for somebody else who waited for it.
    #[must_use]
    pub fn again(&self) -> Self {
        match self {
            Self::StorageFull => Self::StorageFull,
            Self::StorageReadOnly => Self::StorageReadOnly,
            Self::StorageFailed => Self::StorageFailed,
            Self::StorageBusy => Self::StorageBusy,
            Self::StorageDamaged(cause) => Self::StorageDamaged(cause.to_string().into()),
            other => Self::internal(other.to_string()),
        }
    }

    /// The gRPC code.
    pub fn code(&self) -> Code {
        match self {
            Self::Invalid(_) | Self::CursorInvalid(_) => Code::InvalidArgument,
            Self::CursorExpired | Self::CursorEpochChanged => Code::OutOfRange,
            Self::LoginFailed
            | Self::LoginRequired
            | Self::TokenExpired
            | Self::TokenInvalid
            | Self::TokenReused
            | Self::TokenRevoked => Code::Unauthenticated,
            Self::Forbidden(_) => Code::PermissionDenied,
            Self::NotFound { .. } => Code::NotFound,
            Self::UsernameTaken(_)
            | Self::TopicExists(_)
            | Self::OpIdReused { .. }
            | Self::IdempotencyKeyReused(_) => Code::AlreadyExists,
            Self::LastAdmin => Code::FailedPrecondition,
            Self::EtagMismatch { .. } | Self::DocumentConflict(_) => Code::Aborted,
            Self::FellBehind
            | Self::TopicsChanged
            | Self::ShuttingDown
            | Self::StorageBusy
            | Self::StorageReadOnly
            | Self::StorageFailed => Code::Unavailable,
            Self::StorageFull => Code::ResourceExhausted,
            Self::StorageDamaged(_) => Code::DataLoss,
            Self::Internal(_) => Code::Internal,
        }
    }

    /// The machine-readable reason of `google.rpc.ErrorInfo`.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "FIELD_INVALID",
            Self::CursorInvalid(_) => "CURSOR_INVALID",
            Self::CursorExpired => "CURSOR_EXPIRED",
            Self::CursorEpochChanged => "CURSOR_EPOCH_CHANGED",
            Self::LoginFailed => "LOGIN_FAILED",
            Self::LoginRequired => "LOGIN_REQUIRED",
            Self::TokenExpired => "TOKEN_EXPIRED",
            Self::TokenInvalid => "TOKEN_INVALID",
            Self::TokenReused => "TOKEN_REUSED",
            Self::TokenRevoked => "TOKEN_REVOKED",
            Self::Forbidden(_) => "FORBIDDEN",
            Self::TopicsChanged => "TOPICS_CHANGED",
            Self::NotFound { kind: "topic", .. } => "TOPIC_NOT_FOUND",
            Self::NotFound { kind: "document", .. } => "DOCUMENT_NOT_FOUND",
            Self::NotFound { .. } => "USER_NOT_FOUND",
            Self::TopicExists(_) => "TOPIC_EXISTS",
            Self::LastAdmin => "LAST_ADMIN",
            Self::DocumentConflict(_) => "DOCUMENT_CONFLICT",
            Self::OpIdReused { .. } => "OP_ID_REUSED",
            Self::UsernameTaken(_) => "USERNAME_TAKEN",
            Self::IdempotencyKeyReused(_) => "IDEMPOTENCY_KEY_REUSED",
            Self::EtagMismatch { .. } => "ETAG_MISMATCH",
            Self::FellBehind => "FELL_BEHIND",
            Self::ShuttingDown => "SHUTTING_DOWN",
            Self::StorageFull => "STORAGE_FULL",
            Self::StorageReadOnly => "STORAGE_READ_ONLY",
            Self::StorageFailed => "STORAGE_FAILED",
            Self::StorageBusy => "STORAGE_BUSY",
            Self::StorageDamaged(_) => "STORAGE_DAMAGED",
            Self::Internal(_) => "INTERNAL",
        }
    }

    fn details(&self) -> ErrorDetails {
        let mut details = ErrorDetails::with_error_info(self.reason(), ERROR_DOMAIN, HashMap::new());
        match self {
            Self::Invalid(violations) => {
                details.set_bad_request(with_room(violations));
            }
            Self::CursorInvalid(field) | Self::OpIdReused { field, .. } => {
                details.add_bad_request_violation(field, self.to_string());
            }
            Self::NotFound { kind, name } | Self::EtagMismatch { kind, name } => {
                details.set_resource_info(*kind, name, "", self.to_string());
            }
            Self::UsernameTaken(name) => {
                details.set_resource_info("user", name, "", self.to_string());
                details.add_bad_request_violation("user.username", self.to_string());
            }
            Self::TopicExists(name) => {
                details.set_resource_info("topic", name, "", self.to_string());
                details.add_bad_request_violation("topic.name", self.to_string());
            }
            Self::IdempotencyKeyReused(_) => {
                details.add_bad_request_violation("idempotency_key", self.to_string());
            }
            _ => {}
        }
        details
    }
}

fn paths(conflict: &DocumentConflict) -> String {
    let told: Vec<_> = conflict.paths.iter().take(3).map(|each| format!("{:?}", head(&each.path))).collect();
    let more = conflict.paths.len() - told.len() + conflict.omitted_paths as usize;
    if more == 0 { told.join(", ") } else { format!("{} and {more} more paths", told.join(", ")) }
}

/// The first characters of a text that a caller sent, to name it in an error.
pub fn head(text: &str) -> &str {
    text.char_indices().nth(64).map_or(text, |(end, _)| &text[..end])
}

/// As much of a text as so many bytes hold.
fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

/// `google.rpc.Status` carries details of any type; the helpers above know only the standard ones.
fn with_detail(status: &Status, name: &str, message: &impl Message) -> Status {
    let mut whole = tonic_types::pb::Status::decode(status.details()).unwrap_or_default();
    whole.details.push(prost_types::Any {
        type_url: format!("type.googleapis.com/{name}"),
        value: message.encode_to_vec(),
    });
    Status::with_details(status.code(), status.message(), whole.encode_to_vec().into())
}

/// The first violations: those that the details have room for.
fn with_room(violations: &[Violation]) -> Vec<FieldViolation> {
    let mut room = MAX_FIELDS;
    let told = violations.iter().map_while(|each| {
        let description = cut(&each.description, MAX_DESCRIPTION);
        room = room.checked_sub(each.field.len() + description.len() + FRAME)?;
        Some(FieldViolation::new(&each.field, description))
    });
    told.collect()
}

/// The first violations: those that the text has room for, and how many more there are.
fn describe(violations: &[Violation]) -> String {
    let mut text = String::new();
    for (index, each) in violations.iter().enumerate() {
        let more = format!("; and {} more", violations.len() - index);
        let next = format!("{}: {}", each.field, cut(&each.description, MAX_DESCRIPTION));
        if index > 0 && text.len() + next.len() + more.len() > MAX_MESSAGE {
            return text + &more;
        }
        text = if index > 0 { text + "; " + &next } else { next };
    }
    text
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        if let Error::Internal(cause) = &error {
            tracing::error!(error = %cause, "a call failed by a fault of the server");
        }
        let message = error.to_string();
        let status = Self::with_error_details(error.code(), cut(&message, MAX_MESSAGE), error.details());
        match &error {
            Error::DocumentConflict(conflict) => {
                with_detail(&status, "lastmile.v1.DocumentConflict", conflict)
            }
            _ => status,
        }
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => Self::StorageFull,
            Some(rusqlite::ErrorCode::ReadOnly) => Self::StorageReadOnly,
            Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => {
                Self::StorageBusy
            }
            Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) => {
                tracing::error!(%error, "the database is damaged: run `lastmile-server check`, restore a backup");
                Self::StorageDamaged(error.into())
            }
            Some(rusqlite::ErrorCode::SystemIoFailure | rusqlite::ErrorCode::CannotOpen) => {
                tracing::error!(%error, "the disk failed");
                Self::StorageFailed
            }
            _ => Self::internal(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_violation_reaches_the_wire() {
        let error = Error::Invalid(vec![
            Violation::new("user.name", "is empty"),
            Violation::new("password", "is short"),
        ]);
        let status = Status::from(error);
        let details = status.get_error_details();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(status.message(), "user.name: is empty; password: is short");
        let fields: Vec<_> = details
            .bad_request()
            .into_iter()
            .flat_map(|bad| &bad.field_violations)
            .map(|each| each.field.as_str())
            .collect();
        assert_eq!(fields, ["user.name", "password"]);
        assert_eq!(details.error_info().map(|info| info.reason.as_str()), Some("FIELD_INVALID"));
    }

    #[test]
    fn errors_fit_into_headers_whatever_was_sent() {
        let bytes = |error: Error| {
            let status = Status::from(error);
            (status.message().len(), status.details().len())
        };
        let many: Vec<_> = (0..300).map(|n| Violation::new(format!("ops[{n}].path"), "is wrong")).collect();
        let told = Status::from(Error::Invalid(many.clone()));
        assert!(told.message().starts_with("ops[0].path: is wrong; ops[1].path: is wrong; "), "{told:?}");
        assert!(told.message().ends_with("; and 258 more"), "{told:?}");
        let fields = told.get_details_bad_request().unwrap().field_violations.len();
        assert!((100..300).contains(&fields), "{fields}");
        let long = || "\u{e4}".repeat(5000);
        for error in [
            Error::Invalid(many),
            Error::Invalid(vec![Violation::new("filter", long()); 9]),
            Error::Forbidden(long()),
        ] {
            let (message, details) = bytes(error);
            assert!(
                message <= MAX_MESSAGE && details <= 2 * (MAX_MESSAGE + MAX_FIELDS),
                "{message} {details}"
            );
        }
    }

    #[test]
    fn fields_of_inner_messages_are_named_from_the_request_on() {
        let field = |error: Error| {
            let status = Status::from(error.within("commit"));
            status.get_details_bad_request().unwrap().field_violations[0].field.clone()
        };
        assert_eq!(field(Error::invalid("id", "is wrong")), "commit.id");
        assert_eq!(field(Error::CursorInvalid("cursor".to_owned())), "commit.cursor");
        let (op_id, inner) = ("1".to_owned(), "op_id".to_owned());
        let reused = Error::OpIdReused { op_id, field: inner }.within("ops[3]");
        assert_eq!(field(reused), "commit.ops[3].op_id");
    }

    #[test]
    fn inner_causes_stay_inside() {
        let status = Status::from(Error::internal("secret path"));
        assert_eq!(status.code(), Code::Internal);
        assert!(!status.message().contains("secret"));
    }
}
