//! FieldMask from the text that ProtoJSON gives it: paths in lowerCamelCase, joined by commas.

use crate::transcode::encode;
use crate::transcode::wire::WireType;

pub(super) const EXPECTED: &str = "names of fields in lowerCamelCase, joined by commas";

/// Appends the paths in proto names; `accept` tells which characters may stand in them.
pub fn read(text: &str, accept: fn(char) -> bool, out: &mut Vec<u8>) -> Option<()> {
    if text.is_empty() {
        return Some(());
    }
    for path in text.split(',') {
        if path.is_empty() || !path.chars().all(accept) {
            return None;
        }
        write(&snake_case(path), out);
    }
    Some(())
}

/// Appends one path.
pub fn write(path: &str, out: &mut Vec<u8>) {
    encode::tag(out, 1, WireType::Length);
    encode::bytes(out, path.as_bytes());
}

/// In JSON an underscore could not come back the same.
pub fn strict(character: char) -> bool {
    character != '_' && !character.is_whitespace()
}

/// In a query proto names are usual too.
pub fn lenient(character: char) -> bool {
    !character.is_whitespace()
}

fn snake_case(path: &str) -> String {
    let mut snake = String::with_capacity(path.len() + 4);
    for character in path.chars() {
        if character.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(character.to_ascii_lowercase());
    }
    snake
}
