//! Query parameters as request fields (http.proto, "HTTP query parameters").

use prost_reflect::{DynamicMessage, ReflectMessage, Value};

use crate::error::{Error, Result};
use crate::schema::{FieldPath, percent};

use super::scalar;

/// One decoded parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    pub name: String,
    pub value: String,
}

/// Splits and decodes a query; `+` is a space here, and only here.
pub fn parse(query: &str) -> Result<Vec<Parameter>> {
    let decode = |text: &str| {
        percent::decode(&text.replace('+', " "))
            .map_err(|error| Error::field("query", error.to_string()).reason("QUERY_INVALID"))
    };
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok(Parameter { name: decode(name)?, value: decode(value)? })
        })
        .collect()
}

/// Sets the field that a parameter names; repeated fields take several values, single ones exactly one. `seen` holds the
/// paths set so far.
pub fn apply(message: &mut DynamicMessage, parameter: &Parameter, seen: &[FieldPath]) -> Result<FieldPath> {
    let Parameter { name, value } = parameter;
    let path = FieldPath::resolve(&message.descriptor(), name)
        .map_err(|problem| Error::field(name.clone(), format!("unknown query parameter: {problem}")))?;
    let field = path.field().clone();
    if field.is_map() {
        return Err(Error::field(name.clone(), "is a map, which cannot stand in a query"));
    }
    if !field.is_list() && seen.contains(&path) {
        return Err(Error::field(name.clone(), "is given twice, but takes one value"));
    }
    if let Some(rival) = path.rival(message) {
        return Err(Error::field(name.clone(), format!("excludes `{}`, which is given too", rival.name())));
    }
    let parsed =
        scalar::parse(&field.kind(), value).map_err(|problem| Error::field(name.clone(), problem))?;
    let Some(parent) = path.parent_mut(message) else {
        return Err(Error::field(name.clone(), "cannot be set"));
    };
    if field.is_list() {
        if let Value::List(items) = parent.get_field_mut(&field) {
            items.push(parsed);
        }
    } else {
        parent.set_field(&field, parsed);
    }
    Ok(path)
}
