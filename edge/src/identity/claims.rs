//! What a verified token says of its holder (RFC 7519, section 4.1).

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// What a verified token says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Claims {
    pub iss: String,
    pub sub: String,
    /// Seconds since 1970.
    pub exp: u64,
    /// Seconds since 1970.
    #[serde(default, deserialize_with = "seconds")]
    pub iat: Option<u64>,
    #[serde(default, deserialize_with = "text")]
    pub jti: Option<String>,
    #[serde(flatten)]
    pub rights: Rights,
}

/// Everything else that a token claims, such as scopes and roles, as a hash: nobody here knows which of it a backend asks
/// for. Tokens that differ only in their id and their times are equal in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Rights([u8; 32]);

impl<'de> Deserialize<'de> for Rights {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // What the fields above have taken is not among them.
        let mut rest = BTreeMap::<String, Value>::deserialize(deserializer)?;
        rest.remove("nbf");
        Ok(Self(Sha256::digest(serde_json::to_vec(&rest).map_err(de::Error::custom)?).into()))
    }
}

impl Claims {
    /// Tells holders apart.
    pub fn name(&self) -> String {
        format!("{} {}", self.iss, self.sub)
    }
}

/// A time may have a fraction. What is no time says nothing; that makes no token bad.
fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(value.as_u64().or_else(|| value.as_f64().map(|seconds| seconds as u64)))
}

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Value::deserialize(deserializer)?.as_str().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_tokens_need_not_have_makes_none_of_them_bad() {
        for (iat, jti, expected) in [
            (json!(5), json!("a"), (Some(5), Some("a"))),
            (json!(5.9), json!("a"), (Some(5), Some("a"))),
            (json!("five"), json!(7), (None, None)),
            (Value::Null, Value::Null, (None, None)),
        ] {
            let claims = json!({ "iss": "i", "sub": "s", "exp": 9, "iat": iat, "jti": jti });
            let claims: Claims = serde_json::from_value(claims).unwrap();
            assert_eq!((claims.iat, claims.jti.as_deref()), expected);
        }
        let bare: Claims = serde_json::from_value(json!({ "iss": "i", "sub": "s", "exp": 9 })).unwrap();
        assert_eq!((bare.iat, bare.jti), (None, None));
    }

    #[test]
    fn rights_are_all_that_a_token_claims_beside_its_holder_and_its_times() {
        let rights = |more: Value| {
            let mut claims = json!({ "iss": "i", "sub": "s", "exp": 9, "iat": 1, "jti": "a" });
            claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            serde_json::from_str::<Claims>(&claims.to_string()).unwrap().rights
        };
        let wide = rights(json!({ "scope": "a b", "roles": ["x"] }));
        for (more, is_same) in [
            (json!({ "roles": ["x"], "scope": "a b" }), true),
            (json!({ "scope": "a b", "roles": ["x"], "exp": 99, "iat": 5, "nbf": 5, "jti": "b" }), true),
            (json!({ "scope": "a", "roles": ["x"] }), false),
            (json!({ "scope": "a b", "roles": [] }), false),
            (json!({ "scope": "a b" }), false),
            (json!({ "scope": "a b", "roles": ["x"], "act": null }), false),
        ] {
            assert_eq!(rights(more.clone()) == wide, is_same, "{more}");
        }
    }
}
