//! JSON to message, strictly (protobuf.dev, "ProtoJSON Format"), with errors that name the field.

use prost_reflect::{DynamicMessage, MessageDescriptor};
use serde::de::{DeserializeSeed, IgnoredAny};
use serde_json::error::Category;

use crate::error::{Code, Error, Result};

use super::strict::Strict;

/// Reads one JSON document as a message of this type.
///
/// # Errors
/// INVALID_ARGUMENT naming the field: unknown, given twice, of the wrong type or out of range; `JSON_INVALID` when the
/// text is no JSON at all.
pub fn read_json(message: &MessageDescriptor, json: &[u8]) -> Result<DynamicMessage> {
    traced(json, |deserializer| Strict::new(message).deserialize(deserializer))?;
    traced(json, |deserializer| DynamicMessage::deserialize(message.clone(), deserializer))
}

/// # Errors
/// `JSON_INVALID` when the bytes are anything but one JSON document.
pub fn check_document(json: &[u8]) -> Result<()> {
    serde_json::from_slice::<IgnoredAny>(json).map(drop).map_err(|error| explain(&error, ""))
}

type Tracked<'a, 'b, 'de> = serde_path_to_error::Deserializer<
    'a,
    'b,
    &'a mut serde_json::Deserializer<serde_json::de::SliceRead<'de>>,
>;

fn traced<'de, T>(
    json: &'de [u8],
    read: impl FnOnce(Tracked<'_, '_, 'de>) -> std::result::Result<T, serde_json::Error>,
) -> Result<T> {
    let mut track = serde_path_to_error::Track::new();
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let read = read(serde_path_to_error::Deserializer::new(&mut deserializer, &mut track));
    let value = read.map_err(|error| explain(&error, &track.path().to_string()))?;
    deserializer.end().map_err(|error| explain(&error, ""))?;
    Ok(value)
}

fn explain(error: &serde_json::Error, path: &str) -> Error {
    match error.classify() {
        Category::Data => Error::field(path.trim_matches('.'), error.to_string()),
        _ => {
            Error::new(Code::InvalidArgument, "JSON_INVALID", format!("The body is not valid JSON: {error}"))
        }
    }
}
