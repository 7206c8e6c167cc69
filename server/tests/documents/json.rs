//! Plain JSON for the model, by other code than the server's.

use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value as Message};
use serde_json::{Map, Value};

/// Sets or removes (`None`) a value; false when a value on the way is no object.
pub(crate) fn change(document: &mut Value, path: &[String], to: Option<&Value>) -> bool {
    let Some((name, above)) = path.split_last() else {
        *document = to.unwrap().clone();
        return true;
    };
    let mut at = document;
    for member in above {
        let Value::Object(object) = at else { return false };
        if to.is_none() && !object.contains_key(member) {
            return true;
        }
        at = object.entry(member.clone()).or_insert_with(|| Value::Object(Map::new()));
    }
    let Value::Object(object) = at else { return false };
    match to {
        Some(value) => object.insert(name.clone(), value.clone()),
        None => object.remove(name),
    };
    true
}

pub(crate) fn find<'a>(document: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(document, |at, member| at.as_object()?.get(member))
}

pub(crate) fn to_message(value: &Value) -> Message {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(bool) => Kind::BoolValue(*bool),
        Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap()),
        Value::String(text) => Kind::StringValue(text.clone()),
        Value::Array(items) => Kind::ListValue(ListValue { values: items.iter().map(to_message).collect() }),
        Value::Object(object) => {
            let fields = object.iter().map(|(name, value)| (name.clone(), to_message(value)));
            Kind::StructValue(Struct { fields: fields.collect() })
        }
    };
    Message { kind: Some(kind) }
}

pub(crate) fn from_message(value: &Message) -> Value {
    match value.kind.as_ref().unwrap() {
        Kind::NullValue(_) => Value::Null,
        Kind::BoolValue(bool) => Value::Bool(*bool),
        Kind::NumberValue(number) => serde_json::json!(number),
        Kind::StringValue(text) => Value::String(text.clone()),
        Kind::ListValue(list) => list.values.iter().map(from_message).collect(),
        Kind::StructValue(object) => from_struct(object),
    }
}

pub(crate) fn from_struct(object: &Struct) -> Value {
    object.fields.iter().map(|(name, value)| (name.clone(), from_message(value))).collect()
}
