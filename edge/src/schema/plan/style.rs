//! Which of the forms that ProtoJSON allows are written.

use crate::config::rest::JsonConfig;

/// How messages are written; what is read does not depend on it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Style {
    pub json: JsonConfig,
    pub unknown_any: UnknownAny,
}

/// What becomes of an Any that holds a type which the descriptors do not have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum UnknownAny {
    /// `{"@type":…,"value":"<base64>"}`: one detail that nobody knows must not cost the whole answer.
    #[default]
    Opaque,
    /// An error, as the conformance suite wants it.
    Refused,
}
