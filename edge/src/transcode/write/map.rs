//! Writes maps: entries in the order of the wire, each key once.

use crate::schema::plan::Kind;
use crate::transcode::wire::{Malformed, Tag, Wire, WireType};

use super::writer::{Result, Writer};

impl Writer<'_> {
    /// Writes a map whose first tag was just read.
    pub(super) fn map(&mut self, key: Kind, value: Kind, tag: Tag, wire: &mut Wire<'_>) -> Result {
        let mut entries = Entries { key, number: tag.number, next: Some(tag), wire: *wire };
        self.out.push(b'{');
        // Looked at before anything is written: what is written twice at every level has no end.
        if is_ascending(entries)? {
            while let Some(entry) = entries.next()? {
                self.entry(key, value, &entry)?;
            }
        } else {
            for entry in distinct(&mut entries)? {
                self.entry(key, value, &entry)?;
            }
        }
        *wire = entries.wire;
        self.close(b'}');
        Ok(())
    }

    fn entry(&mut self, key: Kind, value: Kind, entry: &Entry<'_>) -> Result {
        self.map_key(key, entry.key_at)?;
        self.out.push(b':');
        match (entry.value_at, value.message()) {
            (None, _) => self.default(value)?,
            (Some(_), Some(id)) if entry.is_split => {
                let merged = merged_value(entry.bytes)?;
                self.message(id, &merged)?;
            }
            (Some((tag, mut wire)), _) => self.value(value, tag, &mut wire)?,
        }
        self.out.push(b',');
        Ok(())
    }

    fn map_key(&mut self, kind: Kind, at: Option<Wire<'_>>) -> Result {
        let start = self.out.len();
        match at {
            Some(mut wire) => self.scalar(kind, &mut wire)?,
            None => self.default(kind)?,
        }
        if self.out[start] != b'"' {
            self.out.insert(start, b'"');
            self.out.push(b'"');
        }
        Ok(())
    }
}

/// The entries of a map that follow each other on the wire.
#[derive(Clone, Copy)]
struct Entries<'a> {
    key: Kind,
    number: u32,
    /// The tag of the next entry, already read.
    next: Option<Tag>,
    wire: Wire<'a>,
}

#[derive(Clone, Copy)]
struct Entry<'a> {
    bytes: &'a [u8],
    key: Key<'a>,
    key_at: Option<Wire<'a>>,
    value_at: Option<(Tag, Wire<'a>)>,
    /// Its value stands in several parts.
    is_split: bool,
}

/// A key, however it was encoded.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Key<'a> {
    Number(u64),
    Text(&'a [u8]),
}

impl<'a> Entries<'a> {
    fn next(&mut self) -> Result<Option<Entry<'a>>> {
        let Some(tag) = self.next else { return Ok(None) };
        if tag.wire_type != WireType::Length {
            return Err(Malformed("is encoded as another type").into());
        }
        let entry = Entry::read(self.key, self.wire.bytes()?)?;
        self.next = self.wire.tag_of(self.number)?;
        Ok(Some(entry))
    }
}

impl<'a> Entry<'a> {
    fn read(kind: Kind, bytes: &'a [u8]) -> Result<Self> {
        let key = if kind == Kind::String { Key::Text(b"") } else { Key::Number(0) };
        let mut entry = Self { bytes, key, key_at: None, value_at: None, is_split: false };
        let mut wire = Wire::new(bytes);
        while let Some(tag) = wire.tag()? {
            match tag.number {
                1 => {
                    entry.key_at = Some(wire);
                    entry.key = Key::read(kind, tag, wire)?;
                }
                2 => {
                    entry.is_split = entry.value_at.is_some();
                    entry.value_at = Some((tag, wire));
                }
                _ => {}
            }
            wire.skip(tag)?;
        }
        Ok(entry)
    }
}

impl<'a> Key<'a> {
    fn read(kind: Kind, tag: Tag, mut wire: Wire<'a>) -> Result<Self> {
        Ok(match (kind, tag.wire_type) {
            (Kind::String, WireType::Length) => Self::Text(wire.bytes()?),
            (Kind::Bool, WireType::Varint) => Self::Number(u64::from(wire.varint()? != 0)),
            (Kind::Int32 | Kind::Uint32 | Kind::Sint32, WireType::Varint) => {
                Self::Number(u64::from(wire.varint()? as u32))
            }
            (Kind::Int64 | Kind::Uint64 | Kind::Sint64, WireType::Varint) => Self::Number(wire.varint()?),
            (Kind::Fixed32 | Kind::Sfixed32, WireType::Fixed32) => Self::Number(u64::from(wire.fixed32()?)),
            (Kind::Fixed64 | Kind::Sfixed64, WireType::Fixed64) => Self::Number(wire.fixed64()?),
            _ => return Err(Malformed("has a key that is encoded as another type").into()),
        })
    }
}

/// Whether each key is above the one before, so that none can stand twice.
fn is_ascending(mut entries: Entries<'_>) -> Result<bool> {
    let mut last = None;
    while let Some(entry) = entries.next()? {
        if last.is_some_and(|last| last >= entry.key) {
            return Ok(false);
        }
        last = Some(entry.key);
    }
    Ok(true)
}

/// The last entry of each key, in the place of its first.
fn distinct<'a>(entries: &mut Entries<'a>) -> Result<Vec<Entry<'a>>> {
    let mut found = Vec::new();
    while let Some(entry) = entries.next()? {
        found.push((found.len(), entry));
    }
    found.sort_by_key(|(place, entry)| (entry.key, *place));
    found.dedup_by(|(_, later), (_, earlier)| {
        let is_same = later.key == earlier.key;
        if is_same {
            *earlier = *later;
        }
        is_same
    });
    found.sort_unstable_by_key(|(place, _)| *place);
    Ok(found.into_iter().map(|(_, entry)| entry).collect())
}

/// The parts of an entry's value, which is a message, one after the other: protobuf merges them.
fn merged_value(entry: &[u8]) -> Result<Vec<u8>> {
    let mut merged = Vec::with_capacity(entry.len());
    let mut wire = Wire::new(entry);
    while let Some(tag) = wire.tag()? {
        if tag.number == 2 {
            merged.extend_from_slice(wire.message(tag)?);
        } else {
            wire.skip(tag)?;
        }
    }
    Ok(merged)
}
