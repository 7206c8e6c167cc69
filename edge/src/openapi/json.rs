//! JSON whose objects keep their order: a document is read by people too.

use serde::ser::{Serialize, Serializer};

/// A JSON value, or none: members without one are left out of their object.
#[derive(Debug, Clone, PartialEq)]
pub enum Json {
    Absent,
    Null,
    Bool(bool),
    Number(i64),
    Text(String),
    List(Vec<Self>),
    Object(Object),
}

/// A JSON object in the order in which it was built.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Object(Vec<(String, Json)>);

/// `object! { "type": "string", "format": Some("byte") }`
macro_rules! object {
    ($($key:literal: $value:expr),* $(,)?) => {
        $crate::openapi::json::Object::default()$(.with($key, $value))*
    };
}
pub(crate) use object;

impl Object {
    /// Adds a member, unless its value is absent.
    pub fn with(mut self, key: impl Into<String>, value: impl Into<Json>) -> Self {
        self.set(key, value);
        self
    }

    /// Sets a member, in its old place if it has one.
    pub fn set(&mut self, key: impl Into<String>, value: impl Into<Json>) {
        let (key, value) = (key.into(), value.into());
        if value == Json::Absent {
            return;
        }
        match self.0.iter_mut().find(|member| member.0 == key) {
            Some(member) => member.1 = value,
            None => self.0.push((key, value)),
        }
    }

    pub fn get(&self, key: &str) -> Option<&Json> {
        self.0.iter().find(|member| member.0 == key).map(|member| &member.1)
    }

    pub fn remove(&mut self, key: &str) {
        self.0.retain(|member| member.0 != key);
    }

    pub fn contains(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Nothing, where it would be empty.
    pub fn filled(self) -> Option<Self> {
        (!self.is_empty()).then_some(self)
    }
}

impl FromIterator<(String, Self)> for Object {
    fn from_iter<I: IntoIterator<Item = (String, Self)>>(members: I) -> Self {
        Self(members.into_iter().map(|(key, value)| (key, Json::Object(value))).collect())
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Absent | Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(value) => serializer.serialize_i64(*value),
            Self::Text(value) => serializer.serialize_str(value),
            Self::List(items) => serializer.collect_seq(items),
            Self::Object(object) => object.serialize(serializer),
        }
    }
}

impl<T: Into<Self>> From<Option<T>> for Json {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Absent, Into::into)
    }
}

impl<T: Into<Self>> From<Vec<T>> for Json {
    fn from(items: Vec<T>) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<Self>, const N: usize> From<[T; N]> for Json {
    fn from(items: [T; N]) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Json {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Json {
    fn from(value: i64) -> Self {
        Self::Number(value)
    }
}

impl From<i32> for Json {
    fn from(value: i32) -> Self {
        Self::Number(value.into())
    }
}

impl From<Object> for Json {
    fn from(object: Object) -> Self {
        Self::Object(object)
    }
}
