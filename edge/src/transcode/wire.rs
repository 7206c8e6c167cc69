//! Reads the wire format (protobuf.dev, "Encoding"): tags, varints, fixed numbers, lengths and groups.

use crate::schema::plan::Kind;

/// Deepest nesting of unknown groups, as in protobuf itself.
const MAX_DEPTH: usize = 100;

/// Bytes that are no protobuf, or not of this message type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub &'static str);

type Result<T = (), E = Malformed> = std::result::Result<T, E>;

const TRUNCATED: Malformed = Malformed("ends in the middle of a field");

/// What a tag says of the value behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WireType {
    Varint,
    Fixed64,
    Length,
    Group,
    EndGroup,
    Fixed32,
}

impl WireType {
    /// How a value of this kind is encoded by itself.
    pub fn of(kind: Kind) -> Self {
        match kind {
            Kind::Fixed32 | Kind::Sfixed32 | Kind::Float => Self::Fixed32,
            Kind::Fixed64 | Kind::Sfixed64 | Kind::Double => Self::Fixed64,
            Kind::String | Kind::Bytes | Kind::Message(_) => Self::Length,
            Kind::Group(_) => Self::Group,
            _ => Self::Varint,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tag {
    pub number: u32,
    pub wire_type: WireType,
}

/// Encoded bytes that are not read yet.
#[derive(Debug, Clone, Copy)]
pub struct Wire<'a> {
    rest: &'a [u8],
}

impl<'a> Wire<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// How many bytes are left.
    pub fn len(&self) -> usize {
        self.rest.len()
    }

    /// The next tag; `None` at the end.
    #[inline]
    pub fn tag(&mut self) -> Result<Option<Tag>> {
        let key = match self.rest {
            [] => return Ok(None),
            [byte, rest @ ..] if *byte < 0x80 => {
                self.rest = rest;
                u32::from(*byte)
            }
            [low, high, rest @ ..] if *high < 0x80 => {
                self.rest = rest;
                u32::from(*low & 0x7f) | u32::from(*high) << 7
            }
            _ => self.long_tag()?,
        };
        let wire_type = match key & 7 {
            0 => WireType::Varint,
            1 => WireType::Fixed64,
            2 => WireType::Length,
            3 => WireType::Group,
            4 => WireType::EndGroup,
            5 => WireType::Fixed32,
            _ => return Err(Malformed("has a tag of unknown wire type")),
        };
        if key >> 3 == 0 {
            return Err(Malformed("has a field of number 0"));
        }
        Ok(Some(Tag { number: key >> 3, wire_type }))
    }

    /// Takes the next tag if it is of this field.
    pub fn tag_of(&mut self, number: u32) -> Result<Option<Tag>> {
        let mut ahead = *self;
        let tag = ahead.tag()?.filter(|tag| tag.number == number && tag.wire_type != WireType::EndGroup);
        if tag.is_some() {
            *self = ahead;
        }
        Ok(tag)
    }

    fn long_tag(&mut self) -> Result<u32> {
        let before = self.rest.len();
        let key = u32::try_from(self.varint()?).map_err(|_| Malformed("has a tag that is too large"))?;
        if before - self.rest.len() > 5 {
            return Err(Malformed("has a tag that is too long"));
        }
        Ok(key)
    }

    #[inline]
    pub fn varint(&mut self) -> Result<u64> {
        match self.rest {
            [byte, rest @ ..] if *byte < 0x80 => {
                self.rest = rest;
                Ok(u64::from(*byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64> {
        let mut value = 0;
        for (index, byte) in self.rest.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * index);
            if *byte < 0x80 {
                if index == 9 && *byte > 1 {
                    break;
                }
                self.rest = &self.rest[index + 1..];
                return Ok(value);
            }
        }
        Err(if self.rest.len() < 10 { TRUNCATED } else { Malformed("has a varint that is too long") })
    }

    pub fn fixed32(&mut self) -> Result<u32> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(TRUNCATED)?;
        self.rest = rest;
        Ok(u32::from_le_bytes(*bytes))
    }

    pub fn fixed64(&mut self) -> Result<u64> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(TRUNCATED)?;
        self.rest = rest;
        Ok(u64::from_le_bytes(*bytes))
    }

    /// The bytes behind their length.
    #[inline]
    pub fn bytes(&mut self) -> Result<&'a [u8]> {
        let length = usize::try_from(self.varint()?).map_err(|_| TRUNCATED)?;
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(TRUNCATED)?;
        self.rest = rest;
        Ok(bytes)
    }

    /// The value behind this tag, with its length where it has one.
    pub fn value(&mut self, tag: Tag) -> Result<&'a [u8]> {
        let whole = self.rest;
        self.skip(tag)?;
        Ok(&whole[..whole.len() - self.rest.len()])
    }

    /// The encoded message behind this tag, in either form.
    pub fn message(&mut self, tag: Tag) -> Result<&'a [u8]> {
        match tag.wire_type {
            WireType::Length => self.bytes(),
            WireType::Group => self.group(tag.number, 0),
            _ => Err(Malformed("is encoded as a number where a message is due")),
        }
    }

    /// Passes over the value behind this tag.
    pub fn skip(&mut self, tag: Tag) -> Result {
        self.skip_nested(tag, 0)
    }

    fn skip_nested(&mut self, tag: Tag, depth: usize) -> Result {
        match tag.wire_type {
            WireType::Varint => self.varint().map(drop),
            WireType::Fixed64 => self.fixed64().map(drop),
            WireType::Length => self.bytes().map(drop),
            WireType::Fixed32 => self.fixed32().map(drop),
            WireType::Group if depth < MAX_DEPTH => self.group(tag.number, depth + 1).map(drop),
            WireType::Group => Err(Malformed("nests groups deeper than 100 levels")),
            WireType::EndGroup => Err(Malformed("ends a group that never began")),
        }
    }

    /// What stands before the end tag of this group.
    fn group(&mut self, number: u32, depth: usize) -> Result<&'a [u8]> {
        let whole = self.rest;
        loop {
            let read = whole.len() - self.rest.len();
            let tag = self.tag()?.ok_or(TRUNCATED)?;
            if tag.wire_type == WireType::EndGroup && tag.number == number {
                return Ok(&whole[..read]);
            }
            self.skip_nested(tag, depth)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skip_all(bytes: &[u8]) -> Result {
        let mut wire = Wire::new(bytes);
        while let Some(tag) = wire.tag()? {
            wire.skip(tag)?;
        }
        Ok(())
    }

    #[test]
    fn passes_over_every_wire_type() {
        for bytes in [
            b"\x08\x01".as_slice(),
            b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            b"\x0912345678",
            b"\x0a\x03abc",
            b"\x0b\x10\x01\x0c",
            b"\x0b\x13\x14\x0c",
            b"\x0d1234",
            b"\xfa\xff\xff\xff\x0f\x00",
            b"\x08\x80\x00",
            b"",
        ] {
            assert_eq!(skip_all(bytes), Ok(()), "{bytes:x?}");
        }
    }

    #[test]
    fn refuses_what_is_no_protobuf() {
        for (bytes, problem) in [
            (b"\x08".as_slice(), "middle"),
            (b"\x80", "middle"),
            (b"\x08\x80", "middle"),
            (b"\x091234567", "middle"),
            (b"\x0a\x04abc", "middle"),
            (b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "middle"),
            (b"\x0d123", "middle"),
            (b"\x0b\x08\x01", "middle"),
            (b"\x0c", "never began"),
            (b"\x0b\x14", "never began"),
            (b"\x00\x00", "number 0"),
            (b"\x0e", "wire type"),
            (b"\x0f", "wire type"),
            (b"\x88\x80\x80\x80\x10\x00", "too large"),
            (b"\x88\x80\x80\x80\x80\x00\x00", "tag that is too long"),
            (b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", "varint that is too long"),
            (b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "varint that is too long"),
        ] {
            let Malformed(found) = skip_all(bytes).unwrap_err();
            assert!(found.contains(problem), "{bytes:x?}: {found}");
        }
        let nested = [vec![0x0b; 200], vec![0x0c; 200]].concat();
        assert_eq!(skip_all(&nested), Err(Malformed("nests groups deeper than 100 levels")));
    }
}
