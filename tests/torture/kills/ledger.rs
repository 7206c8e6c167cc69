//! Holds what the writers were told against what the core has.

use std::collections::HashMap;
use std::fmt;

use lastmile_proto::v1;
use lastmile_tests::CoreProcess;
use prost_types::value::Kind;
use v1::document_service_client::DocumentServiceClient;
use v1::topic_service_client::TopicServiceClient;
use v1::user_service_client::UserServiceClient;

use super::writers::{DOCUMENT, Fate, Work, Writer, sign_in};

/// What was compared.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Totals {
    pub(crate) acknowledged: usize,
    unknown_and_there: usize,
    unknown_and_not: usize,
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { acknowledged, unknown_and_there, unknown_and_not } = self;
        write!(
            f,
            "{acknowledged} acknowledged writes are there once; of those never answered {unknown_and_there} are there, \
             once, and {unknown_and_not} are not"
        )
    }
}

/// Where the logs stood before the first write.
pub(crate) struct Begin {
    users: String,
    document: String,
}

/// Makes the document that writers change.
pub(crate) async fn begin(core: &CoreProcess) -> Result<Begin, String> {
    let (_, users) = users(core).await?;
    let object = prost_types::Value { kind: Some(Kind::StructValue(prost_types::Struct::default())) };
    let op = v1::DocumentOp {
        op_id: "begin".into(),
        path: String::new(),
        action: Some(v1::document_op::Action::Set(object)),
    };
    let request = v1::CommitDocumentRequest { id: DOCUMENT.into(), base_version: 0, ops: vec![op] };
    let made = DocumentServiceClient::new(sign_in(core).await).commit_document(request).await;
    Ok(Begin { users, document: made.map_err(|status| format!("{status:?}"))?.into_inner().cursor })
}

/// Compares; the first difference is the fault.
pub(crate) async fn compare(core: &CoreProcess, begin: &Begin, writers: &[Writer]) -> Result<Totals, String> {
    let events = events(core).await?;
    let operations = operations(core, &begin.document).await?;
    let (users, end) = users(core).await?;
    let told = users_told_of(core, &begin.users, &end).await?;
    if users != told {
        return Err(format!("{} users, and {} events that tell of them", users.len(), told.len()));
    }
    let mut totals = Totals::default();
    for writer in writers {
        let there = match writer.work {
            Work::Users => &users,
            Work::Operations => &operations,
            Work::Events | Work::KeyedEvents => &events,
        };
        check(writer, there, &mut totals)?;
    }
    let known: usize = writers.iter().map(|writer| writer.fates.len()).sum();
    let (found, there) =
        (events.len() + users.len() + operations.len(), totals.acknowledged + totals.unknown_and_there);
    if found != there {
        return Err(format!("{found} writes of {known} are there, and only {there} were sent"));
    }
    Ok(totals)
}

/// How often, and where first, a write is there: at most once, and in the order of its writer.
fn check(writer: &Writer, there: &[String], totals: &mut Totals) -> Result<(), String> {
    let mut places: HashMap<&str, Vec<usize>> = HashMap::new();
    for (place, name) in there.iter().enumerate() {
        places.entry(name).or_default().push(place);
    }
    let mut before = None;
    for (number, fate) in writer.fates.iter().enumerate() {
        let name = format!("{}-{number}", writer.name);
        match (fate, places.get(name.as_str()).map(Vec::as_slice)) {
            (_, Some([place])) if before.is_some_and(|before| before > *place) => {
                return Err(format!("{name} is before an earlier write of {}", writer.name));
            }
            (Fate::Acknowledged, Some([place])) => {
                totals.acknowledged += 1;
                before = Some(*place);
            }
            (Fate::Acknowledged, None) => return Err(format!("{name} was acknowledged and is lost")),
            (Fate::Unknown, Some([place])) => {
                totals.unknown_and_there += 1;
                before = Some(*place);
            }
            (Fate::Unknown, None) => totals.unknown_and_not += 1,
            (fate, Some(places)) => return Err(format!("{name} ({fate:?}) is there {} times", places.len())),
        }
    }
    Ok(())
}

/// All events of the writers, in the order of the log.
async fn events(core: &CoreProcess) -> Result<Vec<String>, String> {
    let mut client = TopicServiceClient::new(core.channel());
    let mut request = v1::ListEventsRequest { topic: "news".into(), page_size: 1000, ..Default::default() };
    let (mut texts, mut before) = (Vec::new(), None::<String>);
    loop {
        let page =
            client.list_events(request.clone()).await.map_err(|status| format!("{status:?}"))?.into_inner();
        for event in page.events {
            if before.as_ref().is_some_and(|before| *before != event.previous) {
                return Err(format!("a hole before {event:?}"));
            }
            before = Some(event.cursor);
            if let Some(v1::subscribe_response::Body::Data(data)) = event.body
                && let Some(Kind::StringValue(text)) = data.kind
            {
                texts.push(text);
            }
        }
        if page.next_page_token.is_empty() {
            return Ok(texts);
        }
        request.after = page.next_page_token;
    }
}

/// The usernames but for the demo users, in the order of their ids, and where the log of their changes stands.
async fn users(core: &CoreProcess) -> Result<(Vec<String>, String), String> {
    let mut client = UserServiceClient::new(sign_in(core).await);
    let mut request = v1::ListUsersRequest { page_size: 1000, ..Default::default() };
    let mut names = Vec::new();
    loop {
        let page =
            client.list_users(request.clone()).await.map_err(|status| format!("{status:?}"))?.into_inner();
        names.extend(page.users.into_iter().filter(|user| user.id > 3).map(|user| user.username));
        if page.next_page_token.is_empty() {
            return Ok((names, page.cursor));
        }
        request.page_token = page.next_page_token;
    }
}

/// The usernames in the events between two cursors.
async fn users_told_of(core: &CoreProcess, begin: &str, end: &str) -> Result<Vec<String>, String> {
    let mut client = UserServiceClient::new(sign_in(core).await);
    let request = v1::WatchUsersRequest { cursor: begin.to_owned() };
    let mut stream = client.watch_users(request).await.map_err(|status| format!("{status:?}"))?.into_inner();
    let (mut names, mut cursor) = (Vec::new(), String::new());
    while cursor != end {
        let message = stream.message().await.map_err(|status| format!("{status:?}"))?;
        let message = message.ok_or("the stream of users has ended")?;
        if let Some(v1::watch_users_response::Change::UserCreated(created)) = message.change {
            names.extend(created.user.map(|user| user.username));
        }
        cursor = message.cursor;
    }
    Ok(names)
}

/// The operations in the document's log, which must make its content.
async fn operations(core: &CoreProcess, begin: &str) -> Result<Vec<String>, String> {
    let mut client = DocumentServiceClient::new(sign_in(core).await);
    let request = v1::GetDocumentRequest { id: DOCUMENT.into() };
    let document = client.get_document(request).await.map_err(|status| format!("{status:?}"))?.into_inner();
    let request = v1::WatchDocumentRequest { id: DOCUMENT.into(), cursor: begin.to_owned() };
    let mut stream =
        client.watch_document(request).await.map_err(|status| format!("{status:?}"))?.into_inner();
    let (mut names, mut cursor) = (Vec::new(), begin.to_owned());
    while cursor != document.cursor {
        let message = stream.message().await.map_err(|status| format!("{status:?}"))?;
        let message = message.ok_or("the stream of the document has ended")?;
        if let Some(v1::watch_document_response::Change::DocumentChanged(changed)) = message.change {
            names.extend(changed.ops.into_iter().map(|op| op.op_id));
        }
        cursor = message.cursor;
    }
    let members = |value: prost_types::Value| match value.kind {
        Some(Kind::StructValue(object)) => object.fields.into_keys().collect(),
        _ => Vec::new(),
    };
    let content = document.document.and_then(|document| document.content).unwrap_or_default();
    let mut set: Vec<String> = content.fields.into_values().flat_map(members).collect();
    let mut sorted = names.clone();
    set.sort_unstable();
    sorted.sort_unstable();
    if set == sorted {
        Ok(names)
    } else {
        Err(format!("{} members by {} operations", set.len(), names.len()))
    }
}
