//! What is written at once: shared bytes as they are, or several pieces joined.

use bytes::{Bytes, BytesMut};

/// What is written at once. A single shared piece is not copied; several are, because one write costs more than that.
#[derive(Debug, Default)]
pub struct Chunk {
    shared: Bytes,
    joined: BytesMut,
}

impl Chunk {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds bytes that others write too.
    pub fn share(&mut self, bytes: Bytes) {
        if self.is_empty() {
            self.shared = bytes;
        } else {
            self.write(&bytes);
        }
    }

    /// Adds bytes of this connection.
    pub fn write(&mut self, bytes: &[u8]) {
        if !self.shared.is_empty() {
            self.joined.reserve(self.shared.len() + bytes.len());
            self.joined.extend_from_slice(&self.shared);
            self.shared = Bytes::new();
        }
        self.joined.extend_from_slice(bytes);
    }

    pub fn len(&self) -> usize {
        self.shared.len() + self.joined.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn into_bytes(self) -> Bytes {
        if self.joined.is_empty() { self.shared } else { self.joined.freeze() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_that_is_alone_is_not_copied() {
        let piece = Bytes::from(vec![b'a'; 100]);
        let mut chunk = Chunk::new();
        assert!(chunk.is_empty());
        chunk.share(piece.clone());
        assert_eq!(chunk.into_bytes().as_ptr(), piece.as_ptr());

        let mut chunk = Chunk::new();
        for bytes in ["a", "b", "c"] {
            chunk.share(Bytes::from_static(bytes.as_bytes()));
        }
        chunk.write(b"d");
        assert_eq!((chunk.len(), chunk.into_bytes()), (4, Bytes::from_static(b"abcd")));
    }
}
