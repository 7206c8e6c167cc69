//! MessageSet, the oldest form of extensions: groups of a number and a message (`message_set_wire_format`).

use prost::encoding::{WireType as Written, encode_key, encode_varint};

use super::wire::{Malformed, Tag, Wire, WireType};

/// What a tag has room for.
const NUMBERS: std::ops::Range<u32> = 1..1 << 29;

const ITEM: Tag = Tag { number: 1, wire_type: WireType::Group };
const TYPE_ID: Tag = Tag { number: 2, wire_type: WireType::Varint };
const MESSAGE: Tag = Tag { number: 3, wire_type: WireType::Length };

/// The same fields as ordinary messages have them; whatever is no item stays as it is.
pub fn unfold(bytes: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut wire = Wire::new(bytes);
    loop {
        let start = bytes.len() - wire.len();
        let Some(tag) = wire.tag()? else { return Ok(out) };
        if tag == ITEM {
            item(wire.message(tag)?, &mut out)?;
        } else {
            wire.skip(tag)?;
            out.extend_from_slice(&bytes[start..bytes.len() - wire.len()]);
        }
    }
}

/// Number and message come in either order.
fn item(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    let (mut number, mut message) = (None, None);
    let mut wire = Wire::new(bytes);
    while let Some(tag) = wire.tag()? {
        match tag {
            TYPE_ID => number = u32::try_from(wire.varint()?).ok().filter(|number| NUMBERS.contains(number)),
            MESSAGE => message = Some(wire.bytes()?),
            other => wire.skip(other)?,
        }
    }
    if let (Some(number), Some(message)) = (number, message) {
        encode_key(number, Written::LengthDelimited, out);
        encode_varint(message.len() as u64, out);
        out.extend_from_slice(message);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_become_fields() {
        for (set, expected) in [
            (b"".as_slice(), b"".as_slice()),
            (b"\x0b\x10\x04\x1a\x01x\x0c", b"\x22\x01x"),
            (b"\x0b\x1a\x01x\x10\x04\x0c", b"\x22\x01x"),
            (b"\x0b\x10\x04\x1a\x01x\x20\x01\x0c\x22\x01y", b"\x22\x01x\x22\x01y"),
            (b"\x0b\x10\x04\x0c\x0b\x1a\x01x\x0c", b""),
            (b"\x0b\x10\x00\x1a\x01x\x0c", b""),
        ] {
            assert_eq!(unfold(set), Ok(expected.to_vec()), "{set:x?}");
        }
        assert!(unfold(b"\x0b\x10\x04").is_err());
    }
}
