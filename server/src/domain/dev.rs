//! What `--dev` adds: demo users, demo topics, a demo document, a publisher that ticks.

use std::collections::BTreeMap;
use std::time::Duration;

use lastmile_proto::v1;
use prost::Message;
use prost_types::value::Kind;
use prost_types::{Struct, Value};
use tokio::time::{MissedTickBehavior, interval};
use v1::subscribe_response::Body;

use super::documents::Documents;
use super::topics::{Publication, Topics};
use super::users::Users;
use crate::error::{Error, Result};
use crate::model::{Member, NewTopic, NewUser, Retention, Role, TopicRules};

/// The password of all demo users.
const PASSWORD: &str = "lastmile-dev";

/// Creates the demo users, topics and the document `board` that are not there yet.
///
/// # Errors
/// Only by a fault of the store.
pub async fn seed(users: &Users, topics: &Topics, documents: &Documents) -> Result<()> {
    for (username, name, tags, role) in [
        ("alice", "Alice", &["frontend", "vue"][..], Role::User),
        ("bob", "Bob", &["backend"][..], Role::User),
        ("admin", "Admin", &["ops"][..], Role::Admin),
    ] {
        let user = NewUser {
            username: username.to_owned(),
            name: name.to_owned(),
            tags: tags.iter().map(ToString::to_string).collect(),
            email: format!("{username}@example.com"),
            role,
            password: PASSWORD.to_owned(),
        };
        match users.add("lastmile".to_owned(), user).await {
            Ok(_) | Err(Error::UsernameTaken(_)) => {}
            Err(error) => return Err(error),
        }
    }
    let open = TopicRules { publish: vec![Member::SignedIn], subscribe: vec![Member::Anyone] };
    let inside = TopicRules { publish: vec![Member::SignedIn], subscribe: vec![Member::SignedIn] };
    let admin = vec![Member::Role(Role::Admin)];
    let closed = TopicRules { publish: admin.clone(), subscribe: admin };
    for (name, description, rules) in [
        ("news", "Anyone may read, everyone signed in may publish.", open.clone()),
        ("ticks", "A tick every second.", open),
        ("lab", "Numbers of the console's connection lab.", inside),
        ("staff", "Administrators only.", closed),
    ] {
        let topic = NewTopic {
            name: name.to_owned(),
            description: description.to_owned(),
            rules,
            retention: Retention::default(),
            owner: String::new(),
        };
        topics.ensure(topic).await?;
    }
    documents.ensure("board", board()).await
}

fn board() -> Struct {
    let title = Value { kind: Some(Kind::StringValue("Board".to_owned())) };
    let notes = Value { kind: Some(Kind::StructValue(Struct::default())) };
    Struct { fields: BTreeMap::from([("title".to_owned(), title), ("notes".to_owned(), notes)]) }
}

/// Publishes a tick every second, until dropped.
pub async fn publish_ticks(topics: Topics) {
    let mut seconds = interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Skip);
    for n in 1_u32.. {
        seconds.tick().await;
        if let Err(error) = topics.announce("ticks", tick(n)).await {
            tracing::warn!(%error, "a tick could not be published");
        }
    }
}

fn tick(n: u32) -> Publication {
    let number = Value { kind: Some(Kind::NumberValue(f64::from(n))) };
    let fields = BTreeMap::from([("n".to_owned(), number)]);
    let data = Value { kind: Some(Kind::StructValue(Struct { fields })) };
    let body = v1::SubscribeResponse { body: Some(Body::Data(data)), ..Default::default() };
    Publication { kind: "tick".to_owned(), body: body.encode_to_vec(), key: None }
}
