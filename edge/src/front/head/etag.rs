//! Validators of GET answers (RFC 9110, section 8.8.3): equal bytes need not be sent twice, and a change is told which state
//! it was made on.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use sha2::{Digest, Sha256};

/// Stands between a resource's own etag and the hash of the bytes that were sent.
const MARK: &str = ";lm=";
const HASH_LENGTH: usize = 16;

/// What cannot stand in a tag, what ends one in a list, and what begins an escape.
const ESCAPED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b',').add(b'%').add(b'\\');

/// The weak ETag of an answer. Answers are deterministic, so that equal states have equal tags; SHA-256, because whoever
/// could make two states collide would have a browser keep the older one.
///
/// The etag of the resource, where it has one, leads: `If-Match` sends it back. It does not stand alone: it need not
/// change with every byte of every answer that shows the resource.
pub fn etag(body: &[u8], resource: &str) -> Option<HeaderValue> {
    let hash = URL_SAFE_NO_PAD.encode(&Sha256::digest(body)[..12]);
    let tag = match resource {
        "" => format!("W/\"{hash}\""),
        resource => format!("W/\"{}{MARK}{hash}\"", utf8_percent_encode(resource, ESCAPED)),
    };
    HeaderValue::from_str(&tag).ok()
}

/// The resource's own etag in a tag of ours; any other tag is one itself.
pub fn resource_etag(tag: &str) -> String {
    match tag.rsplit_once(MARK) {
        Some((resource, hash)) if hash.len() == HASH_LENGTH => {
            percent_decode_str(resource).decode_utf8_lossy().into_owned()
        }
        _ => tag.to_owned(),
    }
}

/// What `If-Match` and `If-None-Match` may name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tags {
    Any,
    /// Without quotes, weak or not.
    These(Vec<String>),
}

impl Tags {
    pub fn read(headers: &HeaderMap, name: &HeaderName) -> Self {
        let lines: Vec<&str> =
            headers.get_all(name).iter().filter_map(|line| line.to_str().ok()).map(str::trim).collect();
        if lines == ["*"] {
            return Self::Any;
        }
        Self::These(lines.into_iter().flat_map(tags).collect())
    }

    /// Weak comparison (RFC 9110, section 8.8.3.2).
    pub fn hold(&self, etag: &HeaderValue) -> bool {
        match self {
            Self::Any => true,
            Self::These(known) => {
                let tag = tags(etag.to_str().unwrap_or_default());
                known.iter().any(|known| tag.contains(known))
            }
        }
    }
}

/// The tags of a list. Commas may stand inside quotes; tags without quotes are common, though wrong.
fn tags(list: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = list.trim_start_matches([' ', '\t', ',']);
    while !rest.is_empty() {
        let quoted = rest.strip_prefix("W/").unwrap_or(rest).strip_prefix('"');
        let (tag, after) = match quoted.and_then(|text| text.split_once('"')) {
            Some(split) => split,
            None => rest.split_once(',').unwrap_or((rest, "")),
        };
        found.push(tag.trim().to_owned());
        rest = after.trim_start_matches([' ', '\t', ',']);
    }
    found
}

#[cfg(test)]
mod tests {
    use http::header;

    use super::*;

    fn read(text: &str) -> Tags {
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_NONE_MATCH, text.parse().unwrap());
        Tags::read(&headers, &header::IF_NONE_MATCH)
    }

    #[test]
    fn reads_every_spelling_of_a_list() {
        for (text, expected) in [
            ("\"a\"", &["a"][..]),
            ("W/\"a\"", &["a"]),
            ("\"a\", W/\"b\" ,\"c\"", &["a", "b", "c"]),
            ("\"a,b\",\"\"", &["a,b", ""]),
            ("a", &["a"]),
            ("a, \"b\"", &["a", "b"]),
            ("\"open", &["\"open"]),
            (" , ", &[]),
            ("\"*\"", &["*"]),
        ] {
            assert_eq!(read(text), Tags::These(expected.iter().map(ToString::to_string).collect()), "{text}");
        }
        assert_eq!(read("*"), Tags::Any);
    }

    #[test]
    fn compares_weakly() {
        let tag = etag(b"{}", "").unwrap();
        let text = tag.to_str().unwrap().to_owned();
        let strong = text.trim_start_matches("W/").to_owned();
        for (known, expected) in [
            (text.clone(), true),
            (strong, true),
            ("*".into(), true),
            (format!("\"x\", {text}"), true),
            ("\"x\"".into(), false),
        ] {
            assert_eq!(read(&known).hold(&tag), expected, "{known}");
        }
        assert_ne!(etag(b"{}", ""), etag(b"{ }", ""));
    }

    #[test]
    fn the_resources_own_etag_comes_back_from_the_header() {
        for resource in ["v3", "\"v3\"", "W/\"v 3\"", "a,b;lm=c%20", "\u{e4}\u{1f600}\n", ";lm="] {
            let header = etag(b"{}", resource).unwrap();
            let Tags::These(tags) = read(header.to_str().unwrap()) else { panic!("one tag") };
            assert_eq!(tags.len(), 1, "{header:?}");
            assert_eq!(resource_etag(&tags[0]), resource, "{header:?}");
            assert_ne!(etag(b"{}", resource), etag(b"{ }", resource), "the bytes count too");
        }
        assert_eq!(resource_etag("v3"), "v3");
        assert_eq!(resource_etag("v%33"), "v%33");
    }
}
