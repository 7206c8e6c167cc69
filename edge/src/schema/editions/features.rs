//! What the features of descriptor.proto say of a file, and of all that is in it.

use prost::Message;

/// `google.protobuf.FeatureSet`, as far as bytes and JSON depend on it. What is not set comes from around.
#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct FeatureSet {
    #[prost(enumeration = "FieldPresence", optional, tag = "1")]
    pub(super) field_presence: Option<i32>,
    #[prost(enumeration = "RepeatedFieldEncoding", optional, tag = "3")]
    pub(super) repeated_field_encoding: Option<i32>,
    #[prost(enumeration = "MessageEncoding", optional, tag = "5")]
    pub(super) message_encoding: Option<i32>,
    #[prost(enumeration = "JsonFormat", optional, tag = "6")]
    pub(super) json_format: Option<i32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub(super) enum FieldPresence {
    Unknown = 0,
    Explicit = 1,
    Implicit = 2,
    LegacyRequired = 3,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub(super) enum RepeatedFieldEncoding {
    Unknown = 0,
    Packed = 1,
    Expanded = 2,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub(super) enum MessageEncoding {
    Unknown = 0,
    LengthPrefixed = 1,
    Delimited = 2,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub(super) enum JsonFormat {
    Unknown = 0,
    Allow = 1,
    LegacyBestEffort = 2,
}

impl FeatureSet {
    /// The defaults of editions 2023 and 2024, which do not differ here.
    pub(super) fn defaults() -> Self {
        let mut features = Self::default();
        features.set_field_presence(FieldPresence::Explicit);
        features.set_repeated_field_encoding(RepeatedFieldEncoding::Packed);
        features.set_message_encoding(MessageEncoding::LengthPrefixed);
        features.set_json_format(JsonFormat::Allow);
        features
    }

    /// These features with what `own` sets instead.
    pub(super) fn with(self, own: Option<Self>) -> Self {
        let own = own.unwrap_or_default();
        Self {
            field_presence: own.field_presence.or(self.field_presence),
            repeated_field_encoding: own.repeated_field_encoding.or(self.repeated_field_encoding),
            message_encoding: own.message_encoding.or(self.message_encoding),
            json_format: own.json_format.or(self.json_format),
        }
    }
}
