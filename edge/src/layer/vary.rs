//! `Vary` (RFC 9110, section 12.5.5) on one line: what reads only the first must not miss a name.

use http::{HeaderMap, HeaderValue, header};

/// Adds the name of a request header that the answer depends on.
pub fn vary(headers: &mut HeaderMap, name: &'static str) {
    let mut lines = headers.get_all(header::VARY).iter();
    let value = match (lines.next(), lines.next()) {
        (None, _) => Ok(HeaderValue::from_static(name)),
        // Most faces name all that there is.
        (Some(line), None) if names(line).any(|other| other.eq_ignore_ascii_case(name)) => return,
        _ => {
            let mut known: Vec<&str> = headers.get_all(header::VARY).iter().flat_map(names).collect();
            if !known.iter().any(|other| other.eq_ignore_ascii_case(name)) {
                known.push(name);
            }
            HeaderValue::from_str(&known.join(", "))
        }
    };
    if let Ok(value) = value {
        headers.insert(header::VARY, value);
    }
}

fn names(line: &HeaderValue) -> impl Iterator<Item = &str> {
    line.to_str().unwrap_or_default().split(',').map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_once_on_one_line() {
        for (lines, expected) in [
            (&[][..], "Accept"),
            (&["Origin"], "Origin, Accept"),
            (&["Origin", "accept, X"], "Origin, accept, X"),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::VARY, line.parse().unwrap());
            }
            vary(&mut headers, "Accept");
            let told: Vec<_> = headers.get_all(header::VARY).iter().collect();
            assert_eq!(told, [expected]);
        }
    }
}
