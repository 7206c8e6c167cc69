//! Applies operations to the content of a document.

use prost_types::value::Kind;
use prost_types::{Struct, Value};

use super::document::{Action, DocumentOp};
use super::pointer::Pointer;

/// The operation goes through a value that has no members, or would leave no object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoObject {
    /// A value on the way.
    #[error("goes through {0:?}, which is no object; an array is one value: set it as a whole")]
    Above(String),
    /// The document itself.
    #[error("is the whole document: it can only be set to an object; DeleteDocument deletes it")]
    Root,
}

/// Applies an operation; on an error the content is as it was.
///
/// # Errors
/// When a value on the way is no object, or the document would be none.
pub fn apply_op(content: &mut Struct, op: &DocumentOp) -> Result<(), NoObject> {
    match (&op.action, op.path.members().next_back()) {
        (Action::Set(Value { kind: Some(Kind::StructValue(object)) }), None) => *content = object.clone(),
        (Action::Set(_) | Action::Delete, None) => return Err(NoObject::Root),
        (Action::Set(value), Some(name)) => {
            check_way(content, &op.path)?;
            make_way(content, &op.path).fields.insert(name, value.clone());
        }
        (Action::Delete, Some(name)) => {
            check_way(content, &op.path)?;
            if let Some(object) = find_parent(content, &op.path) {
                object.fields.remove(&name);
            }
        }
    }
    Ok(())
}

/// What stands at a path.
pub fn value_at(content: &Struct, path: &Pointer) -> Option<Value> {
    let Some(name) = path.members().next_back() else {
        return Some(Value { kind: Some(Kind::StructValue(content.clone())) });
    };
    let mut object = content;
    for member in parents(path) {
        object = as_object(object.fields.get(&member)?)?;
    }
    object.fields.get(&name).cloned()
}

/// Admits a path whose values on the way are objects, or not there.
fn check_way(content: &Struct, path: &Pointer) -> Result<(), NoObject> {
    let mut object = content;
    // The way ends one member before the path does; the first pointer above is the document itself.
    for (member, text) in parents(path).zip(path.above().skip(1)) {
        let Some(value) = object.fields.get(&member) else {
            return Ok(());
        };
        object = as_object(value).ok_or_else(|| NoObject::Above(text.to_owned()))?;
    }
    Ok(())
}

/// The object that holds the last member of a path; missing ones are made.
fn make_way<'a>(content: &'a mut Struct, path: &Pointer) -> &'a mut Struct {
    parents(path).fold(content, |object, member| {
        let value = object.fields.entry(member).or_default();
        if !matches!(value.kind, Some(Kind::StructValue(_))) {
            value.kind = Some(Kind::StructValue(Struct::default()));
        }
        match &mut value.kind {
            Some(Kind::StructValue(object)) => object,
            _ => unreachable!("it was made an object above"),
        }
    })
}

fn find_parent<'a>(content: &'a mut Struct, path: &Pointer) -> Option<&'a mut Struct> {
    parents(path).try_fold(content, |object, member| match &mut object.fields.get_mut(&member)?.kind {
        Some(Kind::StructValue(object)) => Some(object),
        _ => None,
    })
}

/// All members of a path but the last.
fn parents(path: &Pointer) -> impl Iterator<Item = String> {
    let mut members = path.members();
    members.next_back();
    members
}

fn as_object(value: &Value) -> Option<&Struct> {
    match &value.kind {
        Some(Kind::StructValue(object)) => Some(object),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn value(json: &serde_json::Value) -> Value {
        use serde_json::Value as Json;
        Value {
            kind: Some(match json {
                Json::Null => Kind::NullValue(0),
                Json::Bool(bool) => Kind::BoolValue(*bool),
                Json::Number(number) => Kind::NumberValue(number.as_f64().unwrap()),
                Json::String(text) => Kind::StringValue(text.clone()),
                Json::Array(items) => {
                    let values = items.iter().map(value).collect();
                    Kind::ListValue(prost_types::ListValue { values })
                }
                Json::Object(_) => Kind::StructValue(object(json)),
            }),
        }
    }

    fn object(json: &serde_json::Value) -> Struct {
        let fields = json.as_object().unwrap().iter();
        Struct { fields: fields.map(|(name, json)| (name.clone(), value(json))).collect() }
    }

    fn op(path: &str, set: Option<&serde_json::Value>) -> DocumentOp {
        let action = set.map_or(Action::Delete, |json| Action::Set(value(json)));
        DocumentOp { id: "1".to_owned(), path: Pointer::parse(path).unwrap(), action }
    }

    #[test]
    fn operations_change_what_they_point_to() {
        let before = json!({"a": {"b": 1, "c": [1, {"d": 2}]}, "": 0, "x/y": null});
        for (path, set, after) in [
            ("/a/b", Some(json!(2)), json!({"a": {"b": 2, "c": [1, {"d": 2}]}, "": 0, "x/y": null})),
            ("/a", Some(json!([])), json!({"a": [], "": 0, "x/y": null})),
            ("/a/c", None, json!({"a": {"b": 1}, "": 0, "x/y": null})),
            ("/a", None, json!({"": 0, "x/y": null})),
            ("/", None, json!({"a": {"b": 1, "c": [1, {"d": 2}]}, "x/y": null})),
            ("/x~1y", Some(json!({})), json!({"a": {"b": 1, "c": [1, {"d": 2}]}, "": 0, "x/y": {}})),
            (
                "/a/n/m",
                Some(json!(1)),
                json!({"a": {"b": 1, "c": [1, {"d": 2}], "n": {"m": 1}}, "": 0, "x/y": null}),
            ),
            ("/n/m/o", None, before.clone()),
            ("/a/n", None, before.clone()),
            ("", Some(json!({"z": 1})), json!({"z": 1})),
        ] {
            let mut content = object(&before);
            apply_op(&mut content, &op(path, set.as_ref())).unwrap();
            assert_eq!(content, object(&after), "{path}");
        }
    }

    #[test]
    fn values_without_members_are_not_gone_through() {
        let before = object(&json!({"list": [{"a": 1}], "number": 1, "null": null}));
        for (path, set, error) in [
            ("/list/0", Some(json!(1)), NoObject::Above("/list".to_owned())),
            ("/list/0", None, NoObject::Above("/list".to_owned())),
            ("/list/-", Some(json!(1)), NoObject::Above("/list".to_owned())),
            ("/number/a/b", Some(json!(1)), NoObject::Above("/number".to_owned())),
            ("/null/a", None, NoObject::Above("/null".to_owned())),
            ("", Some(json!([])), NoObject::Root),
            ("", None, NoObject::Root),
        ] {
            let mut content = before.clone();
            assert_eq!(apply_op(&mut content, &op(path, set.as_ref())), Err(error), "{path}");
            assert_eq!(content, before);
        }
    }

    #[test]
    fn what_stands_at_a_path_is_found() {
        let content = json!({"a": {"b": [1]}, "n": null});
        for (path, found) in [
            ("", Some(content.clone())),
            ("/a", Some(json!({"b": [1]}))),
            ("/a/b", Some(json!([1]))),
            ("/n", Some(json!(null))),
            ("/a/b/0", None),
            ("/a/c", None),
            ("/c/a", None),
        ] {
            let found = found.as_ref().map(value);
            assert_eq!(value_at(&object(&content), &Pointer::parse(path).unwrap()), found, "{path}");
        }
    }
}
