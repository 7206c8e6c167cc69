//! Connect's unary calls by GET: the message is in the query.

use base64::Engine;
use bytes::Bytes;
use http::StatusCode;
use percent_encoding::percent_decode_str;

use crate::base64_forms::URL_SAFE;
use crate::error::{Code, Error, Result};
use crate::upstream::gzip::Encoding;

use super::super::kind::Codec;

/// The codec and the message that a query holds; the message is at most `limit` bytes.
///
/// # Errors
/// INVALID_ARGUMENT naming the parameter; 415 when the codec is unknown.
pub fn parse(query: &str, limit: usize) -> Result<(Codec, Bytes)> {
    let codec = parameter(query, "encoding").ok_or_else(|| missing("encoding"))?;
    let codec = std::str::from_utf8(&codec).ok().and_then(Codec::named).ok_or_else(|| {
        Error::field("encoding", "must be `json` or `proto`").status(StatusCode::UNSUPPORTED_MEDIA_TYPE)
    })?;
    let message = parameter(query, "message").ok_or_else(|| missing("message"))?;
    let message = match parameter(query, "base64").as_deref() {
        Some(b"1") => {
            URL_SAFE.decode(&message).map_err(|_| Error::field("message", "is not URL-safe base64"))?
        }
        _ => message,
    };
    let compression = parameter(query, "compression").unwrap_or_default();
    let message =
        Encoding::named(&String::from_utf8_lossy(&compression))?.decompress(message.into(), limit)?;
    Ok((codec, message))
}

/// The first value of this name. It may be any bytes: protobuf need not come as base64.
fn parameter(query: &str, name: &str) -> Option<Vec<u8>> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(given, _)| *given == name)?;
    Some(percent_decode_str(&value.replace('+', " ")).collect())
}

fn missing(name: &str) -> Error {
    Error::new(Code::InvalidArgument, "PARAMETER_MISSING", format!("The query lacks `{name}`."))
        .violation(name, "is missing")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_message_however_it_is_written() {
        for (query, codec, message) in [
            ("connect=v1&encoding=json&message=%7B%22a%22%3A+1%7D", Codec::Json, &b"{\"a\": 1}"[..]),
            ("encoding=proto&message=%08%FF", Codec::Proto, b"\x08\xff"),
            ("encoding=proto&base64=1&message=-_8", Codec::Proto, b"\xfb\xff"),
            ("encoding=proto&base64=1&message=-_8%3D", Codec::Proto, b"\xfb\xff"),
            ("encoding=proto&base64=1&message=", Codec::Proto, b""),
            ("message=x&encoding=json&compression=identity", Codec::Json, b"x"),
            (
                "encoding=json&base64=1&compression=gzip&message=H4sIAAAAAAAA_6uuBQBDv6ajAgAAAA",
                Codec::Json,
                b"{}",
            ),
        ] {
            let (found, bytes) = parse(query, 100).unwrap();
            assert_eq!((found, bytes.as_ref()), (codec, message), "{query}");
        }
    }

    #[test]
    fn says_which_parameter_is_wrong() {
        for (query, reason, text) in [
            ("message=", "PARAMETER_MISSING", "encoding"),
            ("encoding=json", "PARAMETER_MISSING", "message"),
            ("encoding=xml&message=", "FIELD_INVALID", "encoding"),
            ("encoding=proto&base64=1&message=%2B%2F8", "FIELD_INVALID", "message"),
            ("encoding=proto&compression=br&message=", "COMPRESSION_UNSUPPORTED", "`br`"),
        ] {
            let error = parse(query, 100).unwrap_err();
            assert_eq!(error.reason_text(), reason, "{query}");
            assert!(error.message().contains(text), "{query}: {error}");
        }
    }
}
