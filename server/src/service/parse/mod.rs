//! Turns requests into what the domain takes; each message is checked in one place, all its fields at once.

mod check;
mod auth;
mod user;
mod topic;

pub(super) use auth::{
    change_password, create_service_token, login, refresh_token, service_token_id, set_up,
};
pub(super) use topic::{list_events, list_topics, publish_event, subscribe, topic_name};
pub(super) use user::{create_user, delete_user, list_users, update_user, user_id, watch_users};
