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

/// What `lastmile --dev` adds to a 401, and a bare edge cannot know.
const HINT: &str = " (log in: curl";

/// The text with every string value of the keys that differ from run to run replaced by `<key>`.
pub fn mask(text: &str) -> String {
    JSON_KEYS.iter().fold(without_hint(text), |text, key| mask_key(&text, key))
}

fn without_hint(text: &str) -> String {
    let Some((before, hint)) = text.split_once(HINT) else { return text.to_owned() };
    let end =
        hint.match_indices('"').find(|(at, _)| !hint[..*at].ends_with('\\')).map_or(hint.len(), |(at, _)| at);
    format!("{before}{}", &hint[end..])
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
    fn leaves_out_how_to_log_in() {
        let text = r#"{"detail":"Not here. (log in: curl -d '{\"a\":1}')","status":401}"#;
        assert_eq!(mask(text), r#"{"detail":"Not here.","status":401}"#);
    }

    #[test]
    fn masks_strings_but_not_numbers_or_other_keys() {
        let text = r#"{"id":"7","user":{"id":7,"name":"id"},"cursor":"","etag":"x"}"#;
        assert_eq!(mask(text), r#"{"id":"<id>","user":{"id":7,"name":"id"},"cursor":"","etag":"<etag>"}"#);
    }
}
