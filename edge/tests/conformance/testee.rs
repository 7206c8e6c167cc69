//! Answers the runner's requests: a length and a message on stdin, the same on stdout.

use std::io::{self, Read, Write};
use std::process::ExitCode;

use lastmile_edge::config::rest::{Defaults, Enums, Int64, JsonConfig, Names, Unknown};
use lastmile_edge::schema::plan::{self, Style, UnknownAny};
use lastmile_edge::schema::{Plan, RuleFile, Schema, descriptors};
use lastmile_edge::transcode::{ReadOptions, read_json, write_json};
use prost::Message;

use crate::reencode::reencode;
use crate::runner::folder;

/// What the runner asks (conformance.proto).
#[derive(Clone, PartialEq, Message)]
struct Request {
    #[prost(oneof = "Payload", tags = "1, 2, 7, 8")]
    payload: Option<Payload>,
    #[prost(int32, tag = "3")]
    requested_output_format: i32,
    #[prost(string, tag = "4")]
    message_type: String,
    #[prost(int32, tag = "5")]
    test_category: i32,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Payload {
    #[prost(bytes, tag = "1")]
    Protobuf(Vec<u8>),
    #[prost(string, tag = "2")]
    Json(String),
    #[prost(string, tag = "7")]
    Jspb(String),
    #[prost(string, tag = "8")]
    Text(String),
}

const PROTOBUF: i32 = 1;
const JSON: i32 = 2;
const JSON_IGNORE_UNKNOWN: i32 = 3;

#[derive(Clone, PartialEq, Message)]
struct Response {
    #[prost(oneof = "Outcome", tags = "1, 6, 2, 3, 4, 5")]
    result: Option<Outcome>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Outcome {
    #[prost(string, tag = "1")]
    ParseError(String),
    #[prost(string, tag = "6")]
    SerializeError(String),
    #[prost(string, tag = "2")]
    RuntimeError(String),
    #[prost(bytes, tag = "3")]
    Protobuf(Vec<u8>),
    #[prost(string, tag = "4")]
    Json(String),
    #[prost(string, tag = "5")]
    Skipped(String),
}

/// Answers until the runner has no more to ask; `form` is how JSON is written.
pub(crate) fn serve(form: &str) -> ExitCode {
    let testee = match Testee::load(form) {
        Ok(testee) => testee,
        Err(problem) => {
            println!("{problem}");
            return ExitCode::FAILURE;
        }
    };
    while let Ok(Some(request)) = read() {
        let outcome = match Request::decode(request.as_slice()) {
            Ok(request) => testee.answer(&request),
            Err(error) => Outcome::RuntimeError(error.to_string()),
        };
        if write(&Response { result: Some(outcome) }.encode_to_vec()).is_err() {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn read() -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    if io::stdin().read_exact(&mut length).is_err() {
        return Ok(None);
    }
    let mut message = vec![0; u32::from_le_bytes(length) as usize];
    io::stdin().read_exact(&mut message)?;
    Ok(Some(message))
}

fn write(message: &[u8]) -> io::Result<()> {
    let length = u32::try_from(message.len()).map_err(io::Error::other)?;
    io::stdout().write_all(&[&length.to_le_bytes(), message].concat())?;
    io::stdout().flush()
}

/// The suite's messages, as the edge knows those of its backend.
struct Testee {
    plan: Plan,
}

/// The forms of JSON that the suite judges.
pub(crate) const FORMS: [&str; 3] = ["usual", "short", "other"];

fn json(form: &str) -> JsonConfig {
    match form {
        "short" => JsonConfig { defaults: Defaults::Omit, ..JsonConfig::default() },
        "other" => JsonConfig {
            defaults: Defaults::Print,
            int64: Int64::Number,
            enums: Enums::Number,
            names: Names::Proto,
        },
        _ => JsonConfig::default(),
    }
}

impl Testee {
    fn load(form: &str) -> Result<Self, String> {
        let messages = std::fs::read(folder().join("messages.binpb")).map_err(|error| error.to_string())?;
        let files = descriptors::split_set(&messages)?;
        let schema = Schema::load(files, &RuleFile::default(), JsonConfig::default(), |_| false);
        let schema = schema.map_err(|mistakes| mistakes.to_string())?;
        let style = Style { json: json(form), unknown_any: UnknownAny::Refused };
        let plan = plan::compile(&schema.pool, style, &mut Vec::new());
        Ok(Self { plan })
    }

    fn answer(&self, request: &Request) -> Outcome {
        let name = &request.message_type;
        let message = match &request.payload {
            Some(Payload::Protobuf(bytes)) => self.decode(name, bytes),
            Some(Payload::Json(json)) => self.parse(name, json, request.test_category == JSON_IGNORE_UNKNOWN),
            Some(Payload::Jspb(_) | Payload::Text(_)) | None => {
                return Outcome::Skipped("neither protobuf nor JSON".into());
            }
        };
        match (message, request.requested_output_format) {
            (Err(problem), _) => Outcome::ParseError(problem),
            (Ok(message), PROTOBUF) => Outcome::Protobuf(message),
            (Ok(message), JSON) => self.to_json(name, &message),
            (Ok(_), _) => Outcome::Skipped("neither protobuf nor JSON".into()),
        }
    }

    /// Bytes that the plan understands; others are refused before anything is written.
    fn decode(&self, name: &str, bytes: &[u8]) -> Result<Vec<u8>, String> {
        let id = self.plan.find(name).ok_or("no such message")?;
        reencode(&self.plan, id, bytes).map_err(|error| error.to_string())
    }

    fn parse(&self, name: &str, json: &str, ignores_unknown: bool) -> Result<Vec<u8>, String> {
        let id = self.plan.find(name).ok_or("no such message")?;
        let unknown_fields = if ignores_unknown { Unknown::Ignore } else { Unknown::Reject };
        let options = ReadOptions { unknown_fields, ..ReadOptions::default() };
        let mut message = Vec::new();
        read_json(&self.plan, id, options, json.as_bytes(), &mut message)
            .map_err(|error| error.to_string())?;
        Ok(message)
    }

    fn to_json(&self, name: &str, message: &[u8]) -> Outcome {
        let Some(id) = self.plan.find(name) else { return Outcome::RuntimeError("no such message".into()) };
        let mut json = Vec::new();
        if let Err(error) = write_json(&self.plan, id, message, &mut json) {
            return Outcome::SerializeError(error.to_string());
        }
        match String::from_utf8(json) {
            Ok(json) => Outcome::Json(json),
            Err(error) => Outcome::RuntimeError(error.to_string()),
        }
    }
}
