//! Resolves an AuthRule.

use std::collections::HashMap;

use lastmile_proto::edge::v1::AuthRule;
use prost_reflect::{Kind, MessageDescriptor};

use super::check::Check;
use super::field::FieldPath;
use super::method::Auth;

impl Check<'_> {
    pub fn auth(&mut self, rule: &AuthRule) -> Auth {
        let (input, output) = (self.method.input(), self.method.output());
        let set_cookie = self.cookies("auth: set_cookie", &output, &rule.set_cookie);
        let from_cookie = self.cookies("auth: from_cookie", &input, &rule.from_cookie);
        for name in &rule.clear_cookie {
            self.cookie_name("auth: clear_cookie", name);
        }
        Auth {
            public: rule.public,
            per_minute: (rule.per_minute > 0).then_some(rule.per_minute),
            set_cookie,
            from_cookie,
            clear_cookie: rule.clear_cookie.clone(),
        }
    }

    fn cookies(
        &mut self,
        rule: &str,
        message: &MessageDescriptor,
        cookies: &HashMap<String, String>,
    ) -> Vec<(String, FieldPath)> {
        let mut resolved = Vec::new();
        for (name, text) in cookies {
            self.cookie_name(rule, name);
            let Some(path) = self.path(rule, message, text) else { continue };
            if path.field().is_list() || path.field().kind() != Kind::String {
                self.mistake(format!("{rule}: `{path}` must be a string field"));
            }
            resolved.push((name.clone(), path));
        }
        resolved.sort_by(|a, b| a.0.cmp(&b.0));
        resolved
    }

    fn cookie_name(&mut self, rule: &str, name: &str) {
        // RFC 6265, section 4.1.1: a token; no prefix, the edge adds `__Host-` itself under TLS.
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b)) {
            self.mistake(format!("{rule}: `{name}` cannot name a cookie"));
        }
    }
}
