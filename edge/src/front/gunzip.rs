//! Decompresses a request body as it arrives, never far beyond what is allowed to come out.

use std::io::Write;

use bytes::Bytes;
use flate2::write::MultiGzDecoder;

use crate::error::{Code, Error, Result};

/// Fed at once; gzip makes at most about a thousand times as much of it.
const STEP: usize = 1024;

/// A gzip stream, of one member or several (RFC 1952).
#[derive(Debug)]
pub struct Gunzip {
    decoder: MultiGzDecoder<Vec<u8>>,
    is_empty: bool,
}

impl Default for Gunzip {
    fn default() -> Self {
        Self { decoder: MultiGzDecoder::new(Vec::new()), is_empty: true }
    }
}

impl Gunzip {
    /// What these bytes decompress to; it stops soon after `room` bytes, so that a bomb stays small.
    pub fn feed(&mut self, bytes: &[u8], room: usize) -> Result<Bytes> {
        self.is_empty &= bytes.is_empty();
        for step in bytes.chunks(STEP) {
            self.decoder.write_all(step).map_err(|_| broken())?;
            // The decoder holds back what fits into its own buffer.
            self.decoder.flush().map_err(|_| broken())?;
            if self.decoder.get_ref().len() > room {
                break;
            }
        }
        Ok(std::mem::take(self.decoder.get_mut()).into())
    }

    /// # Errors
    /// When the stream is not whole, or its checksum is another.
    pub fn finish(mut self) -> Result<()> {
        if self.is_empty {
            return Ok(());
        }
        self.decoder.try_finish().map_err(|_| broken())
    }
}

fn broken() -> Error {
    Error::new(
        Code::InvalidArgument,
        "GZIP_INVALID",
        "The body is not valid gzip, as its `Content-Encoding` says.",
    )
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn gunzip(bytes: &[u8], size: usize) -> Result<Vec<u8>> {
        let mut gunzip = Gunzip::default();
        let mut out = Vec::new();
        for chunk in bytes.chunks(size) {
            out.extend(gunzip.feed(chunk, 1 << 20)?);
        }
        gunzip.finish().map(|()| out)
    }

    #[test]
    fn decompresses_whatever_way_it_arrives() {
        let text = "many words, ".repeat(100);
        let members = [gzip(text.as_bytes()), gzip(b"more")].concat();
        for size in [1, 7, 4096] {
            assert_eq!(gunzip(&members, size).unwrap(), format!("{text}more").as_bytes());
            assert_eq!(gunzip(&gzip(b""), size).unwrap(), b"");
            assert_eq!(gunzip(b"", size).unwrap(), b"");
        }
    }

    #[test]
    fn refuses_what_is_broken() {
        let whole = gzip("many words, ".repeat(100).as_bytes());
        let mut flipped = whole.clone();
        *flipped.last_mut().unwrap() ^= 1;
        for broken in [b"no gzip".as_slice(), &whole[..whole.len() - 1], &whole[..20], &flipped] {
            assert_eq!(gunzip(broken, 4096).unwrap_err().reason_text(), "GZIP_INVALID");
        }
    }

    #[test]
    fn a_bomb_stays_small() {
        let bomb = gzip(&vec![0; 64 << 20]);
        let out = Gunzip::default().feed(&bomb, 1000).unwrap();
        assert!((1001..3 << 20).contains(&out.len()), "{}", out.len());
    }
}
