//! The base64 of grpc-web-text, in chunks that are cut anywhere.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

/// Not base64, or cut inside four characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadBase64;

/// Decodes; holds at most three characters.
#[derive(Debug, Default)]
pub struct Base64Text {
    rest: Vec<u8>,
}

impl Base64Text {
    pub fn decode(&mut self, chunk: &[u8]) -> Result<Bytes, BadBase64> {
        self.rest.extend_from_slice(chunk);
        let whole = self.rest.len() / 4 * 4;
        let mut decoded = Vec::with_capacity(whole / 4 * 3);
        let mut start = 0;
        while start < whole {
            // Senders encode each flush for itself: padding ends one, and another may follow.
            let padding = self.rest[start..whole].iter().position(|byte| *byte == b'=');
            let end = padding.map_or(whole, |at| start + at / 4 * 4 + 4);
            STANDARD.decode_vec(&self.rest[start..end], &mut decoded).map_err(|_| BadBase64)?;
            start = end;
        }
        self.rest.drain(..whole);
        Ok(decoded.into())
    }

    /// # Errors
    /// When the text was cut short.
    pub fn end(&self) -> Result<(), BadBase64> {
        if self.rest.is_empty() { Ok(()) } else { Err(BadBase64) }
    }
}

/// One flush, which ends in padding where it must.
pub fn encode(bytes: &[u8]) -> Bytes {
    STANDARD.encode(bytes).into()
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn flushes_survive_every_cut(flushes in vec(vec(any::<u8>(), 0..20), 0..6), size in 1..9_usize) {
            let text: Vec<u8> = flushes.iter().flat_map(|flush| encode(flush)).collect();
            let mut decoder = Base64Text::default();
            let mut decoded = Vec::new();
            for chunk in text.chunks(size) {
                decoded.extend_from_slice(&decoder.decode(chunk).unwrap());
            }
            prop_assert_eq!(decoder.end(), Ok(()));
            prop_assert_eq!(decoded, flushes.concat());
        }
    }

    #[test]
    fn refuses_what_is_no_base64() {
        for (text, expected) in [
            ("AAAA", Ok(())),
            ("AA==AAA=AAAA", Ok(())),
            ("AA=A", Err(BadBase64)),
            ("====", Err(BadBase64)),
            ("A-A_", Err(BadBase64)),
            ("AAAA\n", Err(BadBase64)),
            ("AAAAA", Err(BadBase64)),
            ("AAA", Err(BadBase64)),
        ] {
            let mut decoder = Base64Text::default();
            let outcome = decoder.decode(text.as_bytes()).and_then(|_| decoder.end());
            assert_eq!(outcome, expected, "{text}");
        }
    }
}
