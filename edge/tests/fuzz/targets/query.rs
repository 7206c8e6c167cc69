//! Queries: what is read is what `percent-encoding` reads, and nothing is refused that it reads.

use lastmile_edge::transcode::query::parse;
use percent_encoding::percent_decode_str;

use super::Target;

pub(super) const TARGET: Target = Target {
    name: "query",
    run,
    words: &[b"&", b"=", b"+", b"%", b"%20", b"%C3%A9", b"%00", b"%ff", b"a=1&a=2", b"m[k]=v", b"\xc3\xa9"],
};

fn run(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let expected = reference(text);
    let Ok(parameters) = parse(text) else {
        assert!(expected.is_none() || has_bad_escape(text), "{text:?} is refused");
        return false;
    };
    let found = parameters.into_iter().map(|parameter| (parameter.name, parameter.value)).collect();
    assert_eq!(expected, Some(found), "{text:?}");
    true
}

/// What a lenient reader of good UTF-8 makes of it.
fn reference(text: &str) -> Option<Vec<(String, String)>> {
    let decode = |text: &str| {
        let text = text.replace('+', " ");
        percent_decode_str(&text).decode_utf8().ok().map(|decoded| decoded.into_owned())
    };
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decode(name)?, decode(value)?))
        })
        .collect()
}

/// A `%` without two hexadecimal digits, or a NUL: a lenient reader lets them through.
fn has_bad_escape(text: &str) -> bool {
    text.split('%').skip(1).any(|rest| {
        let digits = rest.get(..2).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        digits.is_none_or(|digits| digits == "00")
    })
}
