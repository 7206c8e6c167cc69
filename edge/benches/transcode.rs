//! What it costs to write and to read 10,000 users as JSON: medians of interleaved rounds, beside other ways.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench stops at the first surprise and prints figures"
)]

#[path = "transcode/allocations.rs"]
mod allocations;

use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use lastmile_edge::config::rest::JsonConfig;
use lastmile_edge::schema::{RuleFile, Schema, descriptors};
use lastmile_edge::transcode::{ReadOptions, read_json, write_json};
use prost::Message;
use prost_reflect::{DynamicMessage, SerializeOptions};
use protox::Compiler;
use protox::file::{File, FileResolver};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_millis(700);
const USERS: usize = 10_000;

const PROTO: &str = r#"
    syntax = "proto3";
    package bench;
    message ListUsersResponse { repeated User users = 1; string next_page_token = 2; }
    message User {
      string id = 1;
      string display_name = 2;
      string email = 3;
      repeated string tags = 4;
      int32 age = 5;
      bool active = 6;
      Role role = 7;
      int64 login_count = 8;
      double score = 9;
    }
    enum Role { ROLE_UNSPECIFIED = 0; MEMBER = 1; ADMIN = 2; }
"#;

#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListUsersResponse {
    #[prost(message, repeated, tag = "1")]
    users: Vec<User>,
    #[prost(string, tag = "2")]
    next_page_token: String,
}

#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct User {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(string, tag = "2")]
    display_name: String,
    #[prost(string, tag = "3")]
    email: String,
    #[prost(string, repeated, tag = "4")]
    tags: Vec<String>,
    #[prost(int32, tag = "5")]
    age: i32,
    #[prost(bool, tag = "6")]
    active: bool,
    #[prost(int32, tag = "7")]
    #[serde(serialize_with = "role", deserialize_with = "from_role")]
    role: i32,
    #[prost(int64, tag = "8")]
    #[serde(serialize_with = "quoted", deserialize_with = "from_quoted")]
    login_count: i64,
    #[prost(double, tag = "9")]
    score: f64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn role<S: Serializer>(role: &i32, serializer: S) -> Result<S::Ok, S::Error> {
    match role {
        0 => serializer.serialize_str("ROLE_UNSPECIFIED"),
        1 => serializer.serialize_str("MEMBER"),
        2 => serializer.serialize_str("ADMIN"),
        other => serializer.serialize_i32(*other),
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn quoted<S: Serializer>(number: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(number)
}

fn from_role<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i32, D::Error> {
    match <&str>::deserialize(deserializer)? {
        "ROLE_UNSPECIFIED" => Ok(0),
        "MEMBER" => Ok(1),
        "ADMIN" => Ok(2),
        other => Err(D::Error::custom(other)),
    }
}

fn from_quoted<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    <&str>::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}

fn users() -> ListUsersResponse {
    let user = |n: usize| User {
        id: format!("usr_{n:012}"),
        display_name: format!("Ada Lovelace {n}"),
        email: format!("ada.lovelace.{n}@mail.example"),
        tags: (0..n % 4).map(|tag| format!("team-{tag}")).collect(),
        age: 20 + (n % 60) as i32,
        active: n.is_multiple_of(2),
        role: (n % 3) as i32,
        login_count: (n * n) as i64,
        score: n as f64 / 7.0,
    };
    ListUsersResponse { users: (0..USERS).map(user).collect(), next_page_token: "n".into() }
}

struct InMemory;

impl FileResolver for InMemory {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        File::from_source(name, PROTO)
    }
}

fn schema() -> Schema {
    let mut compiler = Compiler::with_file_resolver(InMemory);
    compiler.open_file("bench.proto").unwrap();
    let files = descriptors::split_set(&compiler.encode_file_descriptor_set()).unwrap();
    Schema::load(files, &RuleFile::default(), JsonConfig::default(), |_| false).unwrap()
}

type Way<'a> = (&'a str, Box<dyn Fn() -> Vec<u8> + 'a>);

fn main() -> ExitCode {
    // `cargo test --all-targets` runs benches too, without this argument; a debug build measures nothing.
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    let (schema, ready) = (schema(), users());
    let bytes = ready.encode_to_vec();
    let id = schema.plan.find("bench.ListUsersResponse").unwrap();
    let descriptor = schema.pool.get_message_by_name("bench.ListUsersResponse").unwrap();
    let options = SerializeOptions::new().skip_default_fields(false);
    let ways: [Way<'_>; 4] = [
        (
            "the edge",
            Box::new(|| {
                let mut json = Vec::new();
                write_json(&schema.plan, id, &bytes, &mut json).unwrap();
                json
            }),
        ),
        (
            "prost-reflect + serde_json",
            Box::new(|| {
                let message = DynamicMessage::decode(descriptor.clone(), bytes.as_slice()).unwrap();
                let mut json = Vec::new();
                message
                    .serialize_with_options(&mut serde_json::Serializer::new(&mut json), &options)
                    .unwrap();
                json
            }),
        ),
        (
            "generated prost + serde_json",
            Box::new(|| serde_json::to_vec(&ListUsersResponse::decode(bytes.as_slice()).unwrap()).unwrap()),
        ),
        ("serde_json on ready structs", Box::new(|| serde_json::to_vec(&ready).unwrap())),
    ];
    println!("{USERS} users, {} B of protobuf, {} B of JSON", bytes.len(), ways[0].1().len());
    report("written", &ways, |json| plain(serde_json::from_slice(json).unwrap()));
    read(&schema);
    ExitCode::SUCCESS
}

/// The same users from JSON.
fn read(schema: &Schema) {
    let json = serde_json::to_vec(&users()).unwrap();
    let id = schema.plan.find("bench.ListUsersResponse").unwrap();
    let descriptor = schema.pool.get_message_by_name("bench.ListUsersResponse").unwrap();
    let ways: [Way<'_>; 3] = [
        (
            "the edge",
            Box::new(|| {
                let mut bytes = Vec::new();
                read_json(&schema.plan, id, ReadOptions::default(), &json, &mut bytes).unwrap();
                bytes
            }),
        ),
        (
            "prost-reflect + serde_json",
            Box::new(|| {
                let mut deserializer = serde_json::Deserializer::from_slice(&json);
                DynamicMessage::deserialize(descriptor.clone(), &mut deserializer).unwrap().encode_to_vec()
            }),
        ),
        (
            "generated prost + serde_json",
            Box::new(|| serde_json::from_slice::<ListUsersResponse>(&json).unwrap().encode_to_vec()),
        ),
    ];
    report("read", &ways, |bytes| ListUsersResponse::decode(bytes).unwrap());
}

/// `same` is what the results of all ways must be equal in.
fn report<T: PartialEq>(done: &str, ways: &[Way<'_>], same: impl Fn(&[u8]) -> T) {
    let first = ways[0].1();
    assert!(ways.iter().all(|(_, way)| same(&way()) == same(&first)), "all do the same");
    let mut rounds = vec![Vec::new(); ways.len()];
    for _ in 0..ROUNDS {
        for (times, (_, way)) in rounds.iter_mut().zip(ways) {
            times.push(time(way));
        }
    }
    let medians: Vec<f64> = rounds.into_iter().map(median).collect();
    for ((name, way), seconds) in ways.iter().zip(&medians) {
        let allocations = allocations::count(way);
        println!(
            "{done:<8} {name:<30} {:>7.2} ms {:>7.0} MB/s out  the edge is {:>5.2}×  {allocations:>6} allocations",
            seconds * 1e3,
            first.len() as f64 / seconds / 1e6,
            seconds / medians[0]
        );
    }
}

/// `1.0` is `1`.
fn plain(json: serde_json::Value) -> serde_json::Value {
    match json {
        serde_json::Value::Number(number) => number.as_f64().into(),
        serde_json::Value::Array(items) => items.into_iter().map(plain).collect(),
        serde_json::Value::Object(fields) => {
            fields.into_iter().map(|(name, value)| (name, plain(value))).collect()
        }
        other => other,
    }
}

/// Seconds of one run, within a round.
fn time(way: &dyn Fn() -> Vec<u8>) -> f64 {
    let (start, mut runs) = (Instant::now(), 0);
    while start.elapsed() < ROUND {
        black_box(way());
        runs += 1;
    }
    start.elapsed().as_secs_f64() / f64::from(runs)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
