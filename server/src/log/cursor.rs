//! Cursors: positions of the log as opaque text.
//!
//! A format byte, the log's epoch and the position, then check bytes so that garbage is seen, all in base64url. Equal
//! positions have equal text. Nothing outside this module looks inside.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::model::Seq;

const FORMAT: u8 = 1;
const BODY: usize = 13;
const LENGTH: usize = 16;

/// Writes a position of the log with this epoch.
pub(super) fn encode(epoch: u32, seq: Seq) -> String {
    let mut bytes = [0; LENGTH];
    bytes[0] = FORMAT;
    bytes[1..5].copy_from_slice(&epoch.to_be_bytes());
    bytes[5..BODY].copy_from_slice(&seq.to_be_bytes());
    let check = Sha256::digest(&bytes[..BODY]);
    bytes[BODY..].copy_from_slice(&check[..LENGTH - BODY]);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads a position of the log with this epoch; `field` of the request holds it.
pub(super) fn decode(epoch: u32, text: &str, field: &str) -> Result<Seq> {
    let invalid = || Error::CursorInvalid(field.to_owned());
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| invalid())?;
    let bytes: [u8; LENGTH] = bytes.try_into().map_err(|_| invalid())?;
    let check = Sha256::digest(&bytes[..BODY]);
    if bytes[0] != FORMAT || bytes[BODY..] != check[..LENGTH - BODY] {
        return Err(invalid());
    }
    if bytes[1..5] != epoch.to_be_bytes() {
        return Err(Error::CursorEpochChanged);
    }
    let seq = bytes[5..BODY].try_into().map_err(|_| invalid())?;
    Ok(Seq::from_be_bytes(seq))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_survive_and_have_one_text() {
        for seq in [0, 1, 77, Seq::MAX] {
            let text = encode(7, seq);
            assert_eq!(text, encode(7, seq));
            assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)), "{text}");
            assert!(matches!(decode(7, &text, "cursor"), Ok(read) if read == seq));
        }
    }

    #[test]
    fn other_epoch_and_garbage_are_told_apart() {
        let good = encode(7, 42);
        assert!(matches!(decode(8, &good, "cursor"), Err(Error::CursorEpochChanged)));
        let mut flipped = good.clone().into_bytes();
        flipped[9] ^= 1;
        let flipped = String::from_utf8(flipped).unwrap();
        for text in ["", "0", "42", "lm1.a.b", "ä", &good[1..], &flipped, &format!("{good}A")] {
            assert!(
                matches!(decode(7, text, "after"), Err(Error::CursorInvalid(field)) if field == "after"),
                "{text}"
            );
        }
    }
}
