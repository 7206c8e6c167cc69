//! `Vary` (RFC 9110, section 12.5.5) on one line: what reads only the first must not miss a name.

use http::{HeaderMap, HeaderValue, header};

/// Adds the name of a request header that the answer depends on.
pub fn vary(headers: &mut HeaderMap, name: &'static str) {
    let lines = headers.get_all(header::VARY).iter().filter_map(|line| line.to_str().ok());
    let mut names: Vec<&str> = lines.flat_map(|line| line.split(',')).map(str::trim).collect();
    if !names.iter().any(|other| other.eq_ignore_ascii_case(name)) {
        names.push(name);
    }
    if let Ok(value) = HeaderValue::from_str(&names.join(", ")) {
        headers.insert(header::VARY, value);
    }
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
