//! JSON values inside requests.

use prost_types::Value;
use prost_types::value::Kind;

/// Objects and arrays within each other: protobuf decoders refuse messages nested over 100 deep, and one of these costs
/// three.
pub(super) const MAX_LEVELS: usize = 24;

/// Whether a value can be written as JSON: every part is set, every number finite.
pub(super) fn is_json(value: &Value) -> bool {
    match &value.kind {
        Some(Kind::NumberValue(number)) => number.is_finite(),
        Some(Kind::StructValue(object)) => object.fields.values().all(is_json),
        Some(Kind::ListValue(list)) => list.values.iter().all(is_json),
        Some(Kind::NullValue(_) | Kind::BoolValue(_) | Kind::StringValue(_)) => true,
        None => false,
    }
}

/// Objects and arrays within each other.
pub(super) fn levels(value: &Value) -> usize {
    match &value.kind {
        Some(Kind::StructValue(object)) => 1 + object.fields.values().map(levels).max().unwrap_or(0),
        Some(Kind::ListValue(list)) => 1 + list.values.iter().map(levels).max().unwrap_or(0),
        _ => 0,
    }
}

/// Protobuf messages within each other, the value included.
pub(super) fn nesting(value: &Value) -> usize {
    match &value.kind {
        // The object, and the entry of each member.
        Some(Kind::StructValue(object)) => 3 + object.fields.values().map(nesting).max().unwrap_or(0),
        Some(Kind::ListValue(list)) => 2 + list.values.iter().map(nesting).max().unwrap_or(0),
        _ => 1,
    }
}
