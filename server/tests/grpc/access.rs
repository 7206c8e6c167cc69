//! Who may do what: every method is called by every kind of caller, and what happens is the table in ARCHITECTURE.md.
//!
//! `LASTMILE_WRITE=1` writes the table instead of comparing it; read the difference before committing it.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use lastmile_proto::v1;
use prost_reflect::{DescriptorPool, DeserializeOptions, DynamicMessage, MethodDescriptor};
use tonic::Code;

use super::dynamic::Dynamic;
use super::harness::{Server, refusal, with_token};

const BEGIN: &str = "<!-- who may do what: written by server/tests/grpc/access.rs -->\n";
const END: &str = "<!-- end -->\n";

/// Each method with a request that is good but for the rights of its caller, and what becomes of it when they suffice: `OK`
/// or the reason of a refusal. `#` is another number in every call.
const CALLS: [(&str, &str, &str); 34] = [
    (
        "lastmile.v1.AuthService/Login",
        r#"{"username": "alice", "password": "wrong password"}"#,
        "LOGIN_FAILED",
    ),
    ("lastmile.v1.AuthService/Refresh", r#"{"refreshToken": "unknown"}"#, "TOKEN_INVALID"),
    ("lastmile.v1.AuthService/Logout", r#"{"refreshToken": "unknown"}"#, "OK"),
    ("lastmile.v1.AuthService/GetIdentity", "{}", "OK"),
    (
        "lastmile.v1.AuthService/ChangePassword",
        r#"{"currentPassword": "wrong", "newPassword": "another one"}"#,
        "FIELD_INVALID",
    ),
    (
        "lastmile.v1.AuthService/SetUp",
        r#"{"setupToken": "unknown", "password": "a long one"}"#,
        "TOKEN_INVALID",
    ),
    ("lastmile.v1.AuthService/CreateServiceToken", r#"{"name": "bot", "role": "service"}"#, "OK"),
    ("lastmile.v1.AuthService/RevokeServiceToken", r#"{"id": "unknown"}"#, "OK"),
    ("lastmile.v1.UserService/ListUsers", "{}", "OK"),
    ("lastmile.v1.UserService/GetUser", r#"{"id": 1}"#, "OK"),
    (
        "lastmile.v1.UserService/CreateUser",
        r#"{"user": {"username": "new#", "name": "New"}, "password": "a long one"}"#,
        "OK",
    ),
    ("lastmile.v1.UserService/UpdateUser", r#"{"user": {"id": 2, "name": "Bob"}}"#, "OK"),
    ("lastmile.v1.UserService/DeleteUser", r#"{"id": 999}"#, "USER_NOT_FOUND"),
    ("lastmile.v1.UserService/WatchUsers", "{}", "OK"),
    ("lastmile.v1.UserService/AuthorizeWatchUsers", "{}", "OK"),
    ("lastmile.v1.TopicService/CreateTopic", r#"{"topic": {"name": "new#"}}"#, "OK"),
    ("lastmile.v1.TopicService/GetTopic", r#"{"name": "club"}"#, "OK"),
    ("lastmile.v1.TopicService/ListTopics", "{}", "OK"),
    (
        "lastmile.v1.TopicService/UpdateTopic",
        r#"{"topic": {"name": "club", "description": "again #"}}"#,
        "OK",
    ),
    ("lastmile.v1.TopicService/DeleteTopic", r#"{"name": "unknown"}"#, "TOPIC_NOT_FOUND"),
    ("lastmile.v1.TopicService/PublishEvent", r#"{"topic": "club", "type": "x", "data": 1}"#, "OK"),
    ("lastmile.v1.TopicService/ListEvents", r#"{"topic": "club"}"#, "OK"),
    ("lastmile.v1.TopicService/Subscribe", r#"{"topic": "club"}"#, "OK"),
    ("lastmile.v1.TopicService/AuthorizeSubscribe", r#"{"topic": "club"}"#, "OK"),
    ("lastmile.v1.DocumentService/ListDocuments", "{}", "OK"),
    ("lastmile.v1.DocumentService/GetDocument", r#"{"id": "board"}"#, "OK"),
    ("lastmile.v1.DocumentService/DeleteDocument", r#"{"id": "unknown"}"#, "DOCUMENT_NOT_FOUND"),
    (
        "lastmile.v1.DocumentService/CommitDocument",
        r#"{"id": "new#", "ops": [{"opId": "1", "path": "/a", "set": 1}]}"#,
        "OK",
    ),
    ("lastmile.v1.DocumentService/WatchDocument", r#"{"id": "board"}"#, "OK"),
    ("lastmile.v1.DocumentService/AuthorizeWatchDocument", r#"{"id": "board"}"#, "OK"),
    ("lastmile.v1.DocumentService/SyncDocument", r#"{"watch": {"id": "board"}}"#, "OK"),
    ("lastmile.v1.LogService/WriteLogs", r#"{"record": {"message": "hello"}}"#, "OK"),
    ("lastmile.v1.LogService/TailLogs", "{}", "OK"),
    ("lastmile.v1.LogService/AuthorizeTailLogs", "{}", "OK"),
];

/// Calls in which more than the method decides, with what decides.
const SPECIAL: [(&str, &str, &str, &str); 12] = [
    (
        "lastmile.v1.UserService/UpdateUser",
        "the user itself",
        r#"{"user": {"id": 1, "name": "Alice"}}"#,
        "OK",
    ),
    ("lastmile.v1.UserService/UpdateUser", "the user's role", r#"{"user": {"id": 1, "role": "user"}}"#, "OK"),
    (
        "lastmile.v1.TopicService/PublishEvent",
        "`owner`, the user",
        r#"{"topic": "of-owner", "type": "x", "data": 1}"#,
        "OK",
    ),
    ("lastmile.v1.TopicService/Subscribe", "`owner`, the user", r#"{"topic": "of-owner"}"#, "OK"),
    (
        "lastmile.v1.TopicService/PublishEvent",
        "`user:ID` of the user",
        r#"{"topic": "of-user", "type": "x", "data": 1}"#,
        "OK",
    ),
    ("lastmile.v1.TopicService/Subscribe", "`user:ID` of the user", r#"{"topic": "of-user"}"#, "OK"),
    (
        "lastmile.v1.TopicService/PublishEvent",
        "`role:admin`",
        r#"{"topic": "of-admins", "type": "x", "data": 1}"#,
        "OK",
    ),
    ("lastmile.v1.TopicService/Subscribe", "`role:admin`", r#"{"topic": "of-admins"}"#, "OK"),
    (
        "lastmile.v1.TopicService/PublishEvent",
        "`role:service`",
        r#"{"topic": "of-services", "type": "x", "data": 1}"#,
        "OK",
    ),
    ("lastmile.v1.TopicService/Subscribe", "`role:service`", r#"{"topic": "of-services"}"#, "OK"),
    ("lastmile.v1.TopicService/Subscribe", "`anyone`", r#"{"topic": "news"}"#, "OK"),
    ("lastmile.v1.TopicService/GetTopic", "`owner`, the user", r#"{"name": "of-owner"}"#, "OK"),
];

/// What may be called by anybody because it tells nothing that is secret.
const OPEN: [&str; 2] =
    ["lastmile.edge.v1.EdgeIdentityService/GetJwks", "lastmile.edge.v1.EdgeIdentityService/WatchRevocations"];

#[tokio::test]
async fn who_may_do_what_is_written_down() {
    let (server, _folder) = Server::start().await;
    let callers = callers(&server).await;
    let pool = DescriptorPool::decode(lastmile_proto::DESCRIPTORS).unwrap();
    let mut table = String::from("| method |");
    callers.iter().for_each(|(name, _)| write!(table, " {name} |").unwrap());
    write!(table, "\n|---|{}\n", "---|".repeat(callers.len())).unwrap();
    let mut number = 0;
    let open = OPEN.map(|name| (name, "", "{}", "OK"));
    let calls = CALLS.map(|(name, request, answer)| (name, "", request, answer));
    for (name, of, request, answer) in calls.into_iter().chain(open).chain(SPECIAL) {
        let method = find(&pool, name);
        let of = if of.is_empty() { String::new() } else { format!(": {of}") };
        write!(table, "| {}{of} |", name.rsplit_once('.').unwrap().1).unwrap();
        for (_, token) in &callers {
            number += 1;
            let request = message(&method, &request.replace('#', &number.to_string()));
            write!(table, " {} |", outcome(&server, name, request, token, answer).await).unwrap();
        }
        table.push('\n');
    }
    compare(&table);
}

#[test]
fn no_method_is_left_out() {
    let pool = DescriptorPool::decode(lastmile_proto::DESCRIPTORS).unwrap();
    let all: BTreeSet<String> = pool
        .services()
        .filter(|service| service.package_name().starts_with("lastmile."))
        .flat_map(|service| service.methods().collect::<Vec<_>>())
        .map(|method| format!("{}/{}", method.parent_service().full_name(), method.name()))
        .collect();
    let called: BTreeSet<String> =
        CALLS.iter().map(|(name, ..)| *name).chain(OPEN).map(str::to_owned).collect();
    assert_eq!(all, called);
}

/// Every kind of caller with a token, and one without.
async fn callers(server: &Server) -> Vec<(&'static str, String)> {
    let admin = server.token("admin").await;
    for (name, member) in [
        ("club", "signed-in"),
        ("of-owner", "owner"),
        ("of-user", "user:1"),
        ("of-admins", "role:admin"),
        ("of-services", "role:service"),
    ] {
        create_topic(server, &admin, name, member).await;
    }
    let service_token = async |role: &str, topics: &[&str]| {
        let topics = topics.iter().map(ToString::to_string).collect();
        let request =
            v1::CreateServiceTokenRequest { name: "t".into(), role: role.into(), topics, ttl: None };
        server.auth().create_service_token(with_token(request, &admin)).await.unwrap().into_inner().token
    };
    vec![
        ("nobody", String::new()),
        ("user", server.token("alice").await),
        ("service", service_token("service", &[]).await),
        ("service of the topic", service_token("service", &["club"]).await),
        ("service of another", service_token("service", &["other"]).await),
        ("edge", service_token("edge", &[]).await),
        ("edge of another topic", service_token("edge", &["other"]).await),
        ("admin", admin.clone()),
    ]
}

/// A topic that the user owns and that admits one member.
async fn create_topic(server: &Server, admin: &str, name: &str, member: &str) {
    let rules = v1::TopicRules { publish: vec![member.into()], subscribe: vec![member.into()] };
    let topic = v1::Topic { name: name.into(), rules: Some(rules), ..Default::default() };
    let create = v1::CreateTopicRequest { topic: Some(topic) };
    server.topics().create_topic(with_token(create, admin)).await.unwrap();
    let topic = Some(v1::Topic { name: name.into(), owner: "1".into(), ..Default::default() });
    let give = v1::UpdateTopicRequest { topic, update_mask: None };
    server.topics().update_topic(with_token(give, admin)).await.unwrap();
}

fn find(pool: &DescriptorPool, name: &str) -> MethodDescriptor {
    let (service, method) = name.split_once('/').unwrap();
    let service = pool.get_service_by_name(service).unwrap();
    service.methods().find(|each| each.name() == method).unwrap_or_else(|| panic!("no method {name}"))
}

fn message(method: &MethodDescriptor, json: &str) -> DynamicMessage {
    let mut json = serde_json::Deserializer::from_str(json);
    DynamicMessage::deserialize_with_options(method.input(), &mut json, &DeserializeOptions::new()).unwrap()
}

/// Whether the caller is admitted; who is gets the answer that the request deserves.
async fn outcome(
    server: &Server,
    name: &str,
    request: DynamicMessage,
    token: &str,
    answer: &str,
) -> &'static str {
    let begun = Dynamic::new(server.channel()).begin(name, &request, token).await;
    let (code, told, _) =
        begun.map_or_else(|status| refusal(&status), |()| (Code::Ok, "OK".to_owned(), Vec::new()));
    match (code, told.as_str()) {
        (Code::Unauthenticated, "LOGIN_REQUIRED") => "sign in",
        (Code::PermissionDenied, "FORBIDDEN") => "–",
        (_, told) => {
            assert_eq!(told, answer, "{name}");
            "yes"
        }
    }
}

fn compare(table: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ARCHITECTURE.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("the place of the table");
    let (written, after) = rest.split_once(END).expect("the end of the table");
    if std::env::var_os("LASTMILE_WRITE").is_some() {
        std::fs::write(&path, [before, BEGIN, table, END, after].concat()).unwrap();
        return;
    }
    assert_eq!(written, table, "ARCHITECTURE.md says otherwise: LASTMILE_WRITE=1 writes what was seen");
}
