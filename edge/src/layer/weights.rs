//! Lists with weights (RFC 9110, section 12.4.2), as `Accept` and `Accept-Encoding` are.

use http::{HeaderMap, HeaderName};

/// A member of such a list: lower-case, without its other parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weighted {
    pub name: String,
    /// In thousandths; 0 is a refusal.
    pub weight: u16,
}

/// The members of a header in the order given; those that cannot be read are left out.
pub fn weighted(headers: &HeaderMap, name: &HeaderName) -> Vec<Weighted> {
    let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).filter_map(member).collect()
}

fn member(text: &str) -> Option<Weighted> {
    let mut parameters = text.split(';').map(str::trim);
    let name = parameters.next().filter(|name| !name.is_empty())?.to_ascii_lowercase();
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
    let fraction: u16 = format!("{fraction:0<3}").parse().ok()?;
    match whole {
        "0" => Some(fraction),
        "1" if fraction == 0 => Some(1000),
        _ => None,
    }
}

/// The best of the media types on offer: by weight, then as the caller lists them, then as we do. Who accepts nothing in
/// particular gets the first.
pub fn best_media<T: Copy>(accepted: &[Weighted], offers: &[(&str, T)]) -> Option<T> {
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
fn most_specific<'a>(accepted: &'a [Weighted], media: &str) -> Option<(usize, &'a Weighted)> {
    let kind = media.split('/').next().unwrap_or_default();
    let is_kind = |range: &str| range.strip_suffix("/*") == Some(kind);
    let tests: [&dyn Fn(&str) -> bool; 3] = [&|range| range == media, &is_kind, &|range| range == "*/*"];
    tests.iter().find_map(|test| accepted.iter().enumerate().find(|(_, range)| test(&range.name)))
}

#[cfg(test)]
mod tests {
    use http::header;

    use super::*;

    fn accept(text: &str) -> Vec<Weighted> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, text.parse().unwrap());
        weighted(&headers, &header::ACCEPT)
    }

    #[test]
    fn reads_weights_as_the_grammar_has_them() {
        for (text, expected) in [
            ("a/b", "a/b 1000"),
            ("A/B;Q=0.5 , c/d; q = 1.000", "a/b 500 c/d 1000"),
            ("a/b;level=1;q=0.123", "a/b 123"),
            ("a/b;q=0, c/d;q=0.05", "a/b 0 c/d 50"),
            ("a/b;q=2, c/d;q=NaN, e/f;q=0.1234, g/h;q=-1, i/j;q=1.5, k/l;q=", ""),
            ("", ""),
            (" , ,a/b", "a/b 1000"),
        ] {
            let read = accept(text);
            let read: Vec<String> = read.into_iter().map(|w| format!("{} {}", w.name, w.weight)).collect();
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
            ("text/*", Some("text")),
            ("application/x-protobuf, application/json", Some("proto")),
            ("application/x-protobuf;q=0.9, application/json", Some("json")),
            ("application/json;q=0, */*", Some("proto")),
            ("application/*;q=0, */*;q=0.1", Some("text")),
            ("application/json;q=0.1, application/*;q=0.2", Some("proto")),
            ("text/html, */*;q=0.8", Some("json")),
            ("text/html", None),
            ("*/*;q=0", None),
        ] {
            assert_eq!(best_media(&accept(text), &offers), expected, "{text}");
        }
    }
}
