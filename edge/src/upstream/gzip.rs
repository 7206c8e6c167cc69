//! Compressed messages of gRPC and Connect: gzip, bounded.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderMap, HeaderName};

use crate::error::{Code, Error, Result};
use crate::gunzip::Gunzip;

use super::envelope::COMPRESSED;

/// Smaller messages grow rather than shrink.
const WORTHWHILE: usize = 1024;

/// How a message is compressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Encoding {
    #[default]
    Identity,
    Gzip,
}

impl Encoding {
    /// What the value of an encoding header means; none and empty are `identity`.
    ///
    /// # Errors
    /// UNIMPLEMENTED naming those there are, as the Connect protocol asks.
    pub fn named(name: &str) -> Result<Self> {
        match name {
            "" | "identity" => Ok(Self::Identity),
            "gzip" => Ok(Self::Gzip),
            _ => {
                let message = format!("The compression `{name}` is unknown here. Use `gzip` or `identity`.");
                Err(Error::new(Code::Unimplemented, "COMPRESSION_UNSUPPORTED", message))
            }
        }
    }

    /// What the header of this name says.
    pub fn of(headers: &HeaderMap, name: &HeaderName) -> Result<Self> {
        Self::named(headers.get(name).map_or(Ok(""), |value| value.to_str()).unwrap_or("?"))
    }

    /// What one message of the backend is compressed by, as its flags say.
    ///
    /// # Errors
    /// When it is compressed and nothing says how: taken as it is, it would be another message.
    pub fn of_message(self, flags: u8) -> Result<Self> {
        match (flags & COMPRESSED != 0, self) {
            (false, _) => Ok(Self::Identity),
            (true, Self::Gzip) => Ok(Self::Gzip),
            (true, Self::Identity) => {
                let message = "The backend sent a compressed message and did not say by `grpc-encoding` how.";
                Err(Error::new(Code::Internal, "UPSTREAM_MESSAGE_INVALID", message)
                    .status(http::StatusCode::BAD_GATEWAY))
            }
        }
    }

    /// The compressed message, where that is worth while.
    pub fn compress(self, message: &[u8]) -> Option<Bytes> {
        if self == Self::Identity || message.len() < WORTHWHILE {
            return None;
        }
        let mut encoder = GzEncoder::new(Vec::with_capacity(message.len() / 2), Compression::fast());
        encoder.write_all(message).ok()?;
        encoder.finish().ok().map(Bytes::from)
    }

    /// # Errors
    /// INVALID_ARGUMENT when it is not compressed so, RESOURCE_EXHAUSTED when it grows above `limit` bytes.
    pub fn decompress(self, message: Bytes, limit: usize) -> Result<Bytes> {
        if self == Self::Identity {
            return Ok(message);
        }
        if message.is_empty() {
            return Err(broken());
        }
        let (mut gunzip, mut plain) = (Gunzip::default(), Vec::new());
        gunzip.push(message);
        while let Some(part) = gunzip.plain().map_err(|_| broken())? {
            if part.len() > limit - plain.len() {
                let text = format!("A message is larger than {limit} bytes when it is decompressed.");
                return Err(Error::new(Code::ResourceExhausted, "BODY_TOO_LARGE", text)
                    .status(http::StatusCode::PAYLOAD_TOO_LARGE));
            }
            plain.extend_from_slice(&part);
        }
        gunzip.finish().map_err(|_| broken())?;
        Ok(plain.into())
    }
}

fn broken() -> Error {
    Error::new(Code::InvalidArgument, "GZIP_INVALID", "A message is not valid gzip.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bomb_is_refused_and_what_fits_is_not() {
        let zeros = vec![0; 1 << 20];
        let small = Encoding::Gzip.compress(&zeros).unwrap();
        assert!(small.len() < 10_000);
        for (limit, expected) in [(1 << 20, None), ((1 << 20) - 1, Some("BODY_TOO_LARGE"))] {
            let plain = Encoding::Gzip.decompress(small.clone(), limit);
            assert_eq!(plain.as_ref().err().map(Error::reason_text), expected, "{limit}");
        }
        // It is not read to its end, which is torn off here.
        let torn = Encoding::Gzip.decompress(small.slice(..small.len() - 9), 1000).unwrap_err();
        assert_eq!(torn.reason_text(), "BODY_TOO_LARGE");
        for broken in [&small[..small.len() - 9], b"no gzip", b""] {
            let error = Encoding::Gzip.decompress(Bytes::copy_from_slice(broken), 1 << 20).unwrap_err();
            assert_eq!(error.reason_text(), "GZIP_INVALID");
        }
    }

    #[test]
    fn small_messages_stay_plain() {
        assert_eq!(Encoding::Gzip.compress(&[0; 1023]), None);
        assert_eq!(Encoding::Identity.compress(&[0; 4096]), None);
    }
}
