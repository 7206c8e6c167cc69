//! The frame of gRPC, gRPC-Web and Connect around each message: a byte of flags, four of length.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// The message is compressed.
pub const COMPRESSED: u8 = 0x01;
/// Connect: the last one, which tells how the stream ended.
pub const END_STREAM: u8 = 0x02;
/// gRPC-Web: the trailers.
pub const TRAILERS: u8 = 0x80;

const HEADER: usize = 5;

/// One message with its flags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    pub flags: u8,
    pub message: Bytes,
}

/// A message that announces more bytes than are allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLarge;

/// Finds messages in chunks that are cut anywhere; holds at most one unfinished message.
#[derive(Debug)]
pub struct Envelopes {
    /// A chunk that came when nothing was left of those before: what is whole in it need not be copied.
    chunk: Bytes,
    /// Else what is left, and what came since.
    joined: BytesMut,
    limit: usize,
}

impl Envelopes {
    /// `limit` is for one message, in bytes.
    pub fn new(limit: usize) -> Self {
        Self { chunk: Bytes::new(), joined: BytesMut::new(), limit }
    }

    pub fn push(&mut self, chunk: Bytes) {
        if self.is_between() {
            self.chunk = chunk;
        } else {
            self.joined.extend_from_slice(&std::mem::take(&mut self.chunk));
            self.joined.extend_from_slice(&chunk);
        }
    }

    /// The next message that has arrived whole.
    pub fn take(&mut self) -> Result<Option<Envelope>, TooLarge> {
        let Some(end) = self.end_of(0)? else { return Ok(None) };
        let mut message = self.split_to(end);
        let flags = message.get_u8();
        message.advance(HEADER - 1);
        Ok(Some(Envelope { flags, message }))
    }

    /// All that has arrived whole, as it came; `None` when that is nothing.
    pub fn take_whole(&mut self) -> Result<Option<Bytes>, TooLarge> {
        let mut end = 0;
        loop {
            match self.end_of(end) {
                Ok(Some(next)) => end = next,
                // What came before it is whole; the next turn meets it.
                Err(TooLarge) if end == 0 => return Err(TooLarge),
                Ok(None) | Err(TooLarge) => return Ok((end > 0).then(|| self.split_to(end))),
            }
        }
    }

    fn bytes(&self) -> &[u8] {
        if self.chunk.is_empty() { &self.joined } else { &self.chunk }
    }

    fn split_to(&mut self, end: usize) -> Bytes {
        if self.chunk.is_empty() { self.joined.split_to(end).freeze() } else { self.chunk.split_to(end) }
    }

    /// Whether nothing was begun that has not ended.
    pub fn is_between(&self) -> bool {
        self.bytes().is_empty()
    }

    /// Where the message ends that begins at `start`.
    fn end_of(&self, start: usize) -> Result<Option<usize>, TooLarge> {
        let bytes = self.bytes();
        let Some(mut header) = bytes.get(start..start + HEADER) else { return Ok(None) };
        header.advance(1);
        let length = header.get_u32() as usize;
        if length > self.limit {
            return Err(TooLarge);
        }
        let end = start + HEADER + length;
        Ok((end <= bytes.len()).then_some(end))
    }
}

/// A message in its frame.
pub fn envelope(flags: u8, message: &[u8]) -> Bytes {
    let mut framed = BytesMut::with_capacity(HEADER + message.len());
    write(&mut framed, flags, message);
    framed.freeze()
}

/// Adds a message in its frame.
pub fn write(buffer: &mut BytesMut, flags: u8, message: &[u8]) {
    buffer.reserve(HEADER + message.len());
    buffer.put_u8(flags);
    // Messages are bounded far below 4 GiB by the limits that they were read with.
    buffer.put_u32(message.len() as u32);
    buffer.extend_from_slice(message);
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn cut(bytes: &[u8], at: &[usize]) -> Vec<Bytes> {
        let mut at: Vec<usize> = at.iter().map(|at| at % (bytes.len() + 1)).collect();
        at.extend([0, bytes.len()]);
        at.sort_unstable();
        at.windows(2).map(|ends| Bytes::copy_from_slice(&bytes[ends[0]..ends[1]])).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn messages_survive_every_cut(
            messages in vec((any::<u8>(), vec(any::<u8>(), 0..40)), 0..6),
            at in vec(any::<usize>(), 0..12),
        ) {
            let bytes: Vec<u8> = messages.iter().flat_map(|(flags, message)| envelope(*flags, message)).collect();
            let (mut one, mut many) = (Envelopes::new(40), Envelopes::new(40));
            let (mut found, mut whole) = (Vec::new(), Vec::new());
            for chunk in cut(&bytes, &at) {
                one.push(chunk.clone());
                while let Some(envelope) = one.take().unwrap() {
                    found.push((envelope.flags, envelope.message.to_vec()));
                }
                many.push(chunk);
                whole.extend_from_slice(&many.take_whole().unwrap().unwrap_or_default());
            }
            prop_assert_eq!(found, messages);
            prop_assert_eq!(whole, bytes);
            prop_assert!(one.is_between() && many.is_between());
        }
    }

    #[test]
    fn an_unfinished_message_is_held_back() {
        let whole = envelope(0, b"one");
        let mut envelopes = Envelopes::new(10);
        for cut in 0..whole.len() {
            envelopes.push([&whole[..], &whole[..cut]].concat().into());
            assert_eq!(envelopes.take_whole().unwrap().unwrap_or_default(), whole, "{cut}");
            assert_eq!(envelopes.is_between(), cut == 0, "{cut}");
            envelopes.push(Bytes::copy_from_slice(&whole[cut..]));
            assert_eq!(envelopes.take().unwrap().unwrap().message, "one", "{cut}");
        }
    }

    #[test]
    fn a_message_over_the_limit_is_refused_by_its_header() {
        for (announced, limit, refused) in [(11, 10, true), (10, 10, false), (u32::MAX, 10, true)] {
            let mut envelopes = Envelopes::new(limit);
            envelopes.push([&[0][..], &announced.to_be_bytes()].concat().into());
            assert_eq!(envelopes.take().is_err(), refused, "{announced}");
            assert_eq!(envelopes.take_whole().is_err(), refused, "{announced}");
        }
    }
}
