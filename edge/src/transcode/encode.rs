//! Writes the wire format (protobuf.dev, "Encoding"): tags, varints, lengths.

use super::wire::WireType;

#[inline]
pub fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[inline]
pub fn tag(out: &mut Vec<u8>, number: u32, wire_type: WireType) {
    varint(out, u64::from(number) << 3 | wire_type as u64);
}

/// Writes bytes behind their length.
#[inline]
pub fn bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Begins a value whose length is not known yet; [`close`] ends it.
#[inline]
pub fn open(out: &mut Vec<u8>) -> usize {
    out.push(0);
    out.len()
}

/// Writes the length of what follows `start`, which [`open`] gave; tells where that begins now.
#[inline]
pub fn close(out: &mut Vec<u8>, start: usize) -> usize {
    let length = out.len() - start;
    if length < 0x80 {
        out[start - 1] = length as u8;
        return start;
    }
    // One byte was kept free; most messages need no more.
    let more = (length.ilog2() / 7) as usize;
    out.resize(out.len() + more, 0);
    out.copy_within(start..start + length, start + more);
    for (index, byte) in out[start - 1..start + more].iter_mut().enumerate() {
        *byte = (length >> (7 * index)) as u8 | 0x80;
    }
    out[start + more - 1] &= 0x7f;
    start + more
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_any_size_stand_before_what_they_measure() {
        for length in [0, 1, 127, 128, 129, 16_383, 16_384, 2_097_151, 2_097_152] {
            let mut out = b"before".to_vec();
            let start = open(&mut out);
            out.resize(out.len() + length, b'x');
            let start = close(&mut out, start);
            let mut expected = b"before".to_vec();
            varint(&mut expected, length as u64);
            assert_eq!(start, expected.len(), "{length}");
            expected.resize(expected.len() + length, b'x');
            assert!(out == expected, "{length}");
        }
    }
}
