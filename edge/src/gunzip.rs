//! Decompresses gzip as it arrives, a little at a time.

use std::io::Write;

use bytes::{Buf, Bytes};
use flate2::write::MultiGzDecoder;

use crate::error::{Code, Error, Result};

/// About as much is decompressed at once: a small chunk may hold a thousand times as much.
const AT_ONCE: usize = 64 * 1024;

/// A gzip stream, of one member or several (RFC 1952).
#[derive(Debug)]
pub struct Gunzip {
    decoder: MultiGzDecoder<Vec<u8>>,
    /// Not decompressed yet.
    rest: Bytes,
    is_empty: bool,
}

impl Default for Gunzip {
    fn default() -> Self {
        Self { decoder: MultiGzDecoder::new(Vec::new()), rest: Bytes::new(), is_empty: true }
    }
}

impl Gunzip {
    /// Takes the next bytes, after those before them have given all that they hold.
    pub fn push(&mut self, bytes: Bytes) {
        self.is_empty &= bytes.is_empty();
        self.rest = bytes;
    }

    /// What comes next, never empty; `None` when more has to be pushed first.
    pub fn plain(&mut self) -> Result<Option<Bytes>> {
        while !self.rest.is_empty() && self.decoder.get_ref().len() < AT_ONCE {
            let read = self.decoder.write(&self.rest).ok().filter(|read| *read > 0).ok_or_else(broken)?;
            self.rest.advance(read);
        }
        if self.rest.is_empty() {
            // The decoder holds back what fits into its own buffer.
            self.decoder.flush().map_err(|_| broken())?;
        }
        let decompressed = std::mem::take(self.decoder.get_mut());
        Ok((!decompressed.is_empty()).then(|| decompressed.into()))
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
            gunzip.push(Bytes::copy_from_slice(chunk));
            while let Some(next) = gunzip.plain()? {
                out.extend(next);
            }
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
    fn a_bomb_comes_a_little_at_a_time() {
        let mut gunzip = Gunzip::default();
        gunzip.push(gzip(&vec![0; 8 << 20]).into());
        let mut all = 0;
        while let Some(next) = gunzip.plain().unwrap() {
            assert!(next.len() < 4 * AT_ONCE, "{}", next.len());
            all += next.len();
        }
        assert_eq!(all, 8 << 20);
        gunzip.finish().unwrap();
    }
}
