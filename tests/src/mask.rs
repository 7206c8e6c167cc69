//! Makes the answers of two runs comparable: what must differ (ids, times, tokens) is replaced by its name.

const JSON_KEYS: [&str; 14] = [
    "accessToken",
    "refreshToken",
    "expireTime",
    "createTime",
    "updateTime",
    "publishTime",
    "etag",
    "cursor",
    "previous",
    "nextPageToken",
    "id",
    "trace_id",
    "traceparent",
    "instance",
];

/// The text with every string value of the keys that differ from run to run replaced by `<key>`.
pub fn mask(text: &str) -> String {
    JSON_KEYS.iter().fold(text.to_owned(), |text, key| mask_key(&text, key))
}

fn mask_key(text: &str, key: &str) -> String {
    let opening = format!("\"{key}\":\"");
    let mut parts = text.split(&opening);
    let mut masked = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (value, rest) = part.split_once('"').unwrap_or((part, ""));
        let shown = if value.is_empty() { String::new() } else { format!("<{key}>") };
        masked += &format!("{opening}{shown}\"{rest}");
    }
    masked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_strings_but_not_numbers_or_other_keys() {
        let text = r#"{"id":"7","user":{"id":7,"name":"id"},"cursor":"","etag":"x"}"#;
        assert_eq!(mask(text), r#"{"id":"<id>","user":{"id":7,"name":"id"},"cursor":"","etag":"<etag>"}"#);
    }
}
