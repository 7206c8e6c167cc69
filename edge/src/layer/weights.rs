//! Lists with weights (RFC 9110, section 12.4.2), as `Accept` and `Accept-Encoding` are.

use http::{HeaderMap, HeaderName, HeaderValue};

/// A member of such a list, without its other parameters; upper and lower case are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weighted<'a> {
    pub name: &'a str,
    /// In thousandths; 0 is a refusal.
    pub weight: u16,
}

impl Weighted<'_> {
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

/// The members of a header in the order given; those that cannot be read are left out.
pub fn weighted<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Vec<Weighted<'a>> {
    members(headers.get_all(name))
}

/// The same of lines that were kept of a header.
pub fn members<'a>(lines: impl IntoIterator<Item = &'a HeaderValue>) -> Vec<Weighted<'a>> {
    let lines = lines.into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).filter_map(member).collect()
}

fn member(text: &str) -> Option<Weighted<'_>> {
    let mut parameters = text.split(';').map(str::trim);
    let name = parameters.next().filter(|name| !name.is_empty())?;
    let quality = parameters.find_map(|parameter| {
        let (key, value) = parameter.split_once('=')?;
        key.trim().eq_ignore_ascii_case("q").then_some(value.trim())
    });
    Some(Weighted { name, weight: quality.map_or(Some(1000), thousandths)? })
}

/// `0.5` as 500; nothing but what the grammar allows.
fn thousandths(quality: &str) -> Option<u16> {
    let (whole, fraction) = quality.split_once('.').unwrap_or((quality, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let digits = fraction.bytes().map(|digit| u16::from(digit - b'0'));
    let fraction = digits.chain([0; 3]).take(3).fold(0, |sum, digit| sum * 10 + digit);
    match whole {
        "0" => Some(fraction),
        "1" if fraction == 0 => Some(1000),
        _ => None,
    }
}

/// The best of the media types on offer: by weight, then as the caller lists them, then as we do. Who accepts nothing in
/// particular gets the first.
pub fn best_media<T: Copy>(accepted: &[Weighted<'_>], offers: &[(&str, T)]) -> Option<T> {
    if accepted.is_empty() {
        return offers.first().map(|offer| offer.1);
    }
    let ranked = offers.iter().enumerate().filter_map(|(order, (media, offer))| {
        let (place, range) = most_specific(accepted, media)?;
        (range.weight > 0).then_some(((u16::MAX - range.weight, place, order), *offer))
    });
    ranked.min_by_key(|(rank, _)| *rank).map(|(_, offer)| offer)
}

/// The range that decides about a media type, and its place in the list.
fn most_specific<'a>(accepted: &'a [Weighted<'a>], media: &str) -> Option<(usize, &'a Weighted<'a>)> {
    let kind = media.split('/').next().unwrap_or_default();
    let is_exact = |range: &Weighted<'_>| range.is(media);
    let is_kind = |range: &Weighted<'_>| {
        range.name.strip_suffix("/*").is_some_and(|range| range.eq_ignore_ascii_case(kind))
    };
    let is_any = |range: &Weighted<'_>| range.name == "*/*";
    let tests: [&dyn Fn(&Weighted<'_>) -> bool; 3] = [&is_exact, &is_kind, &is_any];
    tests.iter().find_map(|test| accepted.iter().enumerate().find(|(_, range)| test(range)))
}

#[cfg(test)]
mod tests {
    use http::header;

    use super::*;

    fn accept(text: &str) -> HeaderMap {
        [(header::ACCEPT, text.parse().unwrap())].into_iter().collect()
    }

    #[test]
    fn reads_weights_as_the_grammar_has_them() {
        for (text, expected) in [
            ("a/b", "a/b 1000"),
            ("A/B;Q=0.5 , c/d; q = 1.000", "A/B 500 c/d 1000"),
            ("a/b;level=1;q=0.123", "a/b 123"),
            ("a/b;q=0, c/d;q=0.05", "a/b 0 c/d 50"),
            ("a/b;q=2, c/d;q=NaN, e/f;q=0.1234, g/h;q=-1, i/j;q=1.5, k/l;q=", ""),
            ("", ""),
            (" , ,a/b", "a/b 1000"),
        ] {
            let headers = accept(text);
            let read = weighted(&headers, &header::ACCEPT).into_iter();
            let read: Vec<String> = read.map(|w| format!("{} {}", w.name, w.weight)).collect();
            assert_eq!(read.join(" "), expected, "{text}");
        }
    }

    #[test]
    fn the_most_specific_range_decides() {
        let offers =
            [("application/json", "json"), ("application/x-protobuf", "proto"), ("text/plain", "text")];
        for (text, expected) in [
            ("", Some("json")),
            ("*/*", Some("json")),
            ("Text/*", Some("text")),
            ("Application/X-Protobuf", Some("proto")),
            ("application/x-protobuf, application/json", Some("proto")),
            ("application/x-protobuf;q=0.9, application/json", Some("json")),
            ("application/json;q=0, */*", Some("proto")),
            ("application/*;q=0, */*;q=0.1", Some("text")),
            ("application/json;q=0.1, application/*;q=0.2", Some("proto")),
            ("text/html, */*;q=0.8", Some("json")),
            ("text/html", None),
            ("*/*;q=0", None),
        ] {
            let headers = accept(text);
            assert_eq!(best_media(&weighted(&headers, &header::ACCEPT), &offers), expected, "{text}");
        }
    }
}
