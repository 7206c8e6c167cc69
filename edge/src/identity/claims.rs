//! What a verified token says of its holder (RFC 7519, section 4.1).

use serde::{Deserialize, Deserializer};
use serde_json::Value;

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
}
