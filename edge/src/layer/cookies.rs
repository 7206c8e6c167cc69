//! Cookies the edge reads and writes (RFC 6265); a backend's own never pass.

use http::{HeaderMap, HeaderValue, header};

/// A cookie that has no one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ambiguous;

/// How cookies are written.
#[derive(Debug, Clone, Copy)]
pub struct Cookies {
    /// Browsers come by https: `Secure`, and a `__Host-` name that no other host can set.
    pub secure: bool,
}

impl Cookies {
    /// The value of a cookie. Other cookies may hold what they like: on one host they are shared by all ports.
    ///
    /// # Errors
    /// When it is given twice with different values, or is no text.
    pub fn get(self, headers: &HeaderMap, name: &str) -> Result<Option<String>, Ambiguous> {
        let name = self.full_name(name);
        let pairs =
            headers.get_all(header::COOKIE).iter().flat_map(|line| line.as_bytes().split(|b| *b == b';'));
        let mut found: Option<&[u8]> = None;
        for pair in pairs {
            let Some(value) =
                pair.trim_ascii().strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(b"="))
            else {
                continue;
            };
            if found.replace(value).is_some_and(|other| other != value) {
                return Err(Ambiguous);
            }
        }
        let text =
            found.map(|value| std::str::from_utf8(value).map(|text| text.trim_matches('"').to_owned()));
        text.transpose().map_err(|_| Ambiguous)
    }

    /// Sets a cookie that scripts cannot read; `max_age` in seconds, else until the browser closes.
    pub fn set(self, name: &str, value: &str, max_age: Option<u64>) -> Option<HeaderValue> {
        if !value.bytes().all(|b| b.is_ascii_graphic() && !b"\",;\\".contains(&b)) {
            return None;
        }
        let secure = if self.secure { "; Secure" } else { "" };
        let max_age = max_age.map(|seconds| format!("; Max-Age={seconds}")).unwrap_or_default();
        let cookie =
            format!("{}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{max_age}", self.full_name(name));
        let mut value = HeaderValue::from_str(&cookie).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    pub fn clear(self, name: &str) -> Option<HeaderValue> {
        self.set(name, "", Some(0))
    }

    /// The name that a cookie has on the wire.
    pub fn full_name(self, name: &str) -> String {
        if self.secure { format!("__Host-{name}") } else { name.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_one_and_refuses_two() {
        let cookies = Cookies { secure: false };
        let mut headers = HeaderMap::new();
        headers.insert("cookie", "a=1; lm=x.y; b=2".parse().unwrap());
        assert_eq!(cookies.get(&headers, "lm"), Ok(Some("x.y".into())));
        assert_eq!(cookies.get(&headers, "l"), Ok(None));
        headers.append("cookie", "lm=z".parse().unwrap());
        assert_eq!(cookies.get(&headers, "lm"), Err(Ambiguous));
    }

    #[test]
    fn strange_neighbours_do_no_harm() {
        let mut headers = HeaderMap::new();
        headers.insert("cookie", HeaderValue::from_bytes(b"other=\xff; lm=x; flag").unwrap());
        assert_eq!(Cookies { secure: false }.get(&headers, "lm"), Ok(Some("x".into())));
    }

    #[test]
    fn cannot_be_split() {
        let cookies = Cookies { secure: true };
        assert!(cookies.set("lm", "a; Domain=evil", None).is_none());
        let set = cookies.set("lm", "a", Some(60)).unwrap();
        assert_eq!(set, "__Host-lm=a; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=60");
    }
}
