//! Turns requests into what the domain takes; each message is checked in one place, all its fields at once.

mod check;
mod value;
mod auth;
mod user;
mod topic;
mod topic_admin;
mod document;
mod log;

pub(super) use auth::{
    change_password, create_service_token, login, refresh_token, service_token_id, set_up,
};
pub(super) use document::{
    SyncFrame, commit_document, delete_document, document_id, list_documents, sync_document, watch_document,
};
pub(super) use log::{log_record, tail_logs};
pub(super) use topic::{list_events, list_topics, publish_event, subscribe, topic_name};
pub(super) use topic_admin::{create_topic, delete_topic, update_topic};
pub(super) use user::{create_user, delete_user, list_users, update_user, user_id, watch_users};
