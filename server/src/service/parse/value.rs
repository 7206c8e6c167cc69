//! What JSON values may hold.

use prost_types::Value;
use prost_types::value::Kind;

/// Whether the value can be written as JSON: NaN and infinities cannot.
pub(super) fn is_json(value: &Value) -> bool {
    match &value.kind {
        Some(Kind::NumberValue(number)) => number.is_finite(),
        Some(Kind::StructValue(object)) => object.fields.values().all(is_json),
        Some(Kind::ListValue(list)) => list.values.iter().all(is_json),
        Some(Kind::NullValue(_) | Kind::BoolValue(_) | Kind::StringValue(_)) => true,
        None => false,
    }
}
