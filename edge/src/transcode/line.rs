//! Newline-delimited JSON: a value a line, control lines with a key that begins with `@`.

/// A value on a line of its own.
pub fn line(json: &[u8]) -> Vec<u8> {
    [json, b"\n"].concat()
}

/// A control line such as `{"@end":{}}`.
pub fn control(name: &str, value: &serde_json::Value) -> Vec<u8> {
    format!("{{\"@{name}\":{value}}}\n").into_bytes()
}
