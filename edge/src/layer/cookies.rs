//! Cookies the edge reads and writes (RFC 6265); a backend's own never pass.

use http::{HeaderMap, HeaderValue, header};

/// How cookies are written.
#[derive(Debug, Clone, Copy)]
pub struct Cookies {
    /// Browsers come by https: `Secure`, and a `__Host-` name that no other host can set.
    pub secure: bool,
}

impl Cookies {
    /// The value of a cookie; `None` when it is absent or given twice.
    pub fn get(self, headers: &HeaderMap, name: &str) -> Option<String> {
        let name = self.full_name(name);
        let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
        let mut values = lines
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(found, _)| *found == name)
            .map(|(_, value)| value.trim_matches('"').to_owned());
        let value = values.next();
        if values.next().is_some() { None } else { value }
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

    fn full_name(self, name: &str) -> String {
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
        assert_eq!(cookies.get(&headers, "lm").as_deref(), Some("x.y"));
        headers.append("cookie", "lm=z".parse().unwrap());
        assert_eq!(cookies.get(&headers, "lm"), None);
    }

    #[test]
    fn cannot_be_split() {
        let cookies = Cookies { secure: true };
        assert!(cookies.set("lm", "a; Domain=evil", None).is_none());
        let set = cookies.set("lm", "a", Some(60)).unwrap();
        assert_eq!(set, "__Host-lm=a; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=60");
    }
}
