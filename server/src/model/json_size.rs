//! How long a value is as JSON.

use prost_types::value::Kind;
use prost_types::{Struct, Value};

/// Whole numbers up to here are written with all their digits.
const WHOLE: f64 = 1e15;

/// Bytes of an object as JSON without white space.
pub fn json_size(object: &Struct) -> usize {
    let members = object.fields.iter().map(|(name, value)| text_size(name) + 1 + value_size(value));
    joined_size(members)
}

fn value_size(value: &Value) -> usize {
    match &value.kind {
        None | Some(Kind::NullValue(_)) => 4,
        Some(Kind::BoolValue(true)) => 4,
        Some(Kind::BoolValue(false)) => 5,
        Some(Kind::NumberValue(number)) => number_size(*number),
        Some(Kind::StringValue(text)) => text_size(text),
        Some(Kind::ListValue(list)) => joined_size(list.values.iter().map(value_size)),
        Some(Kind::StructValue(object)) => json_size(object),
    }
}

/// Parts between brackets, with commas between them.
fn joined_size(parts: impl ExactSizeIterator<Item = usize>) -> usize {
    2 + parts.len().saturating_sub(1) + parts.sum::<usize>()
}

fn number_size(number: f64) -> usize {
    if number.fract() == 0.0 && number.abs() < WHOLE {
        return format!("{number:.0}").len();
    }
    format!("{number:?}").len()
}

fn text_size(text: &str) -> usize {
    let escaped = text.bytes().map(|byte| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 8 | 12 => 2,
        0..=31 => 6,
        _ => 1,
    });
    2 + escaped.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_the_text() {
        let text = |text: &str| Kind::StringValue(text.to_owned());
        let list = |kinds: Vec<Kind>| {
            let values = kinds.into_iter().map(|kind| Value { kind: Some(kind) }).collect();
            Kind::ListValue(prost_types::ListValue { values })
        };
        for (kind, json) in [
            (Kind::NullValue(0), "null"),
            (Kind::BoolValue(true), "true"),
            (Kind::BoolValue(false), "false"),
            (Kind::NumberValue(0.0), "0"),
            (Kind::NumberValue(-12.0), "-12"),
            (Kind::NumberValue(0.1), "0.1"),
            (Kind::NumberValue(1e300), "1e300"),
            (text(""), "\"\""),
            (text("ä\"\\\n\u{1}"), "\"ä\\\"\\\\\\n\\u0001\""),
            (list(vec![]), "[]"),
            (list(vec![Kind::NumberValue(1.0), text("a"), list(vec![])]), "[1,\"a\",[]]"),
            (Kind::StructValue(Struct::default()), "{}"),
        ] {
            let fields = ["a", "b"].map(|name| (name.to_owned(), Value { kind: Some(kind.clone()) }));
            let size = json_size(&Struct { fields: fields.into() });
            assert_eq!(size, format!("{{\"a\":{json},\"b\":{json}}}").len(), "{json}");
        }
    }
}
