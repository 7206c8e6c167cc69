//! Settings of the REST faces: how JSON looks, and what is refused.

use serde::{Deserialize, Serialize};

/// How requests are read and answers are written as JSON.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RestConfig {
    /// The form of errors for callers that do not choose one by `Accept`.
    pub errors: ErrorForm,
    /// What answers and errors are wrapped in.
    pub envelope: Envelope,
    /// Whose manners are followed where they differ from ours.
    pub compat: Compat,
    /// Messages of INTERNAL, UNKNOWN and DATA_LOSS errors reach the browser, and why a backend cannot be reached; else they
    /// only reach the log. Not said: only with `--dev`.
    pub internal_messages: Option<bool>,
    /// Fields in JSON that the message does not have.
    pub unknown_fields: Unknown,
    /// Query parameters that the message does not have.
    pub unknown_query: Unknown,
    /// `name[key]=value` in a query fills the map `name`.
    pub query_maps: bool,
    pub json: JsonConfig,
}

/// How answers are written (protobuf.dev, "ProtoJSON Format", "JSON Options").
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JsonConfig {
    /// Fields without presence that hold their default.
    pub defaults: Defaults,
    pub int64: Int64,
    pub enums: Enums,
    pub names: Names,
}

/// The form of errors.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ErrorForm {
    /// RFC 9457 problem details.
    #[default]
    Problem,
    /// google.rpc.Status.
    Status,
}

/// What answers and errors are wrapped in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Envelope {
    #[default]
    None,
    /// `{"code":0,"data":…}`, and `{"code":n,"message":…,"data":null}` for errors.
    CodeData,
}

/// Whose manners are followed where they differ from ours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compat {
    #[default]
    None,
    /// Status errors, `{"result"}` and `{"error"}` lines, unknown query parameters ignored; `Grpc-Metadata-*` headers
    /// carry the metadata that is listed in `calls`, both ways.
    GrpcGateway,
}

impl RestConfig {
    /// The settings that others follow from: whoever asks for grpc-gateway's manners gets its errors and its queries.
    pub fn settled(mut self) -> Self {
        if self.compat == Compat::GrpcGateway {
            self.errors = ErrorForm::Status;
            self.unknown_query = Unknown::Ignore;
        }
        self
    }
}

/// What becomes of names that a message does not have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unknown {
    #[default]
    Reject,
    Ignore,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Defaults {
    #[default]
    Print,
    Omit,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Int64 {
    #[default]
    String,
    /// JavaScript loses digits above 2^53.
    Number,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Enums {
    #[default]
    Name,
    Number,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Names {
    /// lowerCamelCase, or what `json_name` says.
    #[default]
    Json,
    /// As declared in the proto.
    Proto,
}
