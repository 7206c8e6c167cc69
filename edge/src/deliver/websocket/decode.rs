//! Reads what a client sends: masked frames, in whatever pieces they arrive (RFC 6455, section 5).

use bytes::{Buf, Bytes, BytesMut};

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// What arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// Valid UTF-8.
    Text(Bytes),
    Binary(Bytes),
    Ping(Bytes),
    Pong,
    /// A piece of a message that is not whole yet.
    Fragment,
    Close(Option<u16>),
}

/// What makes it no WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("{0}")]
    Framing(&'static str),
    #[error("A text message is not valid UTF-8.")]
    NotText,
    #[error("A message is too large.")]
    TooLarge,
}

/// What has arrived and is not read yet.
#[derive(Debug)]
pub struct Decoder {
    buffer: BytesMut,
    /// Largest message, all its fragments together.
    limit: usize,
    /// The beginning of a message in fragments, and whether it is text.
    begun: Option<(bool, BytesMut)>,
}

/// The head of a frame.
struct Head {
    is_last: bool,
    opcode: u8,
    length: usize,
    mask: [u8; 4],
    /// Bytes that it takes itself.
    size: usize,
}

impl Decoder {
    pub fn new(limit: usize) -> Self {
        Self { buffer: BytesMut::new(), limit, begun: None }
    }

    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next thing that is whole.
    ///
    /// # Errors
    /// What makes the bytes no WebSocket; nothing may be read afterwards.
    pub fn take(&mut self) -> Result<Option<Incoming>, Fault> {
        let Some(head) = self.head()? else { return Ok(None) };
        if self.buffer.len() < head.size + head.length {
            return Ok(None);
        }
        self.buffer.advance(head.size);
        let mut payload = self.buffer.split_to(head.length);
        if self.buffer.is_empty() {
            // Nothing is held for a connection that is quiet.
            self.buffer = BytesMut::new();
        }
        unmask(&mut payload, head.mask);
        self.frame(&head, payload).map(Some)
    }

    fn head(&self) -> Result<Option<Head>, Fault> {
        let [first, second, rest @ ..] = &*self.buffer else { return Ok(None) };
        let (is_last, opcode) = (first & 0x80 != 0, first & 0x0f);
        if first & 0x70 != 0 {
            return Err(Fault::Framing("A reserved bit is set, and no extension was agreed upon."));
        }
        if !matches!(opcode, CONTINUATION | TEXT | BINARY | CLOSE | PING | PONG) {
            return Err(Fault::Framing("The opcode is reserved."));
        }
        if second & 0x80 == 0 {
            return Err(Fault::Framing("A client must mask its frames."));
        }
        let is_control = opcode >= CLOSE;
        let short = usize::from(second & 0x7f);
        if is_control && (!is_last || short > 125) {
            return Err(Fault::Framing("A control frame is in fragments or too long."));
        }
        let (length, size) = match (short, rest) {
            (126, [a, b, ..]) => (usize::from(u16::from_be_bytes([*a, *b])), 2),
            (127, [a, b, c, d, e, f, g, h, ..]) => {
                let length = u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]);
                (usize::try_from(length).map_err(|_| Fault::TooLarge)?, 8)
            }
            (126 | 127, _) => return Ok(None),
            (length, _) => (length, 0),
        };
        // Before it has arrived: nobody has to send it for nothing.
        let begun = self.begun.as_ref().map_or(0, |(_, bytes)| bytes.len());
        if !is_control && length > self.limit.saturating_sub(begun) {
            return Err(Fault::TooLarge);
        }
        let Some(mask) = rest[size..].first_chunk::<4>() else { return Ok(None) };
        Ok(Some(Head { is_last, opcode, length, mask: *mask, size: 2 + size + 4 }))
    }

    fn frame(&mut self, head: &Head, payload: BytesMut) -> Result<Incoming, Fault> {
        match (head.opcode, self.begun.take()) {
            (CONTINUATION, None) => Err(Fault::Framing("A message begins with a continuation.")),
            (CONTINUATION, Some((is_text, mut message))) => {
                message.extend_from_slice(&payload);
                self.part(head.is_last, is_text, message)
            }
            (TEXT | BINARY, Some(_)) => Err(Fault::Framing("A message begins before the last has ended.")),
            (TEXT | BINARY, None) => self.part(head.is_last, head.opcode == TEXT, payload),
            (control, begun) => {
                self.begun = begun;
                match control {
                    PING => Ok(Incoming::Ping(payload.freeze())),
                    PONG => Ok(Incoming::Pong),
                    _ => closed(&payload),
                }
            }
        }
    }

    fn part(&mut self, is_last: bool, is_text: bool, message: BytesMut) -> Result<Incoming, Fault> {
        if !is_last {
            self.begun = Some((is_text, message));
            return Ok(Incoming::Fragment);
        }
        if !is_text {
            return Ok(Incoming::Binary(message.freeze()));
        }
        match std::str::from_utf8(&message) {
            Ok(_) => Ok(Incoming::Text(message.freeze())),
            Err(_) => Err(Fault::NotText),
        }
    }
}

/// Section 7.4: a code that may be sent, and a reason in UTF-8.
fn closed(payload: &[u8]) -> Result<Incoming, Fault> {
    match payload {
        [] => Ok(Incoming::Close(None)),
        [_] => Err(Fault::Framing("A close has half a code.")),
        [a, b, reason @ ..] => {
            let code = u16::from_be_bytes([*a, *b]);
            if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
                return Err(Fault::Framing("A close has a code that may not be sent."));
            }
            if std::str::from_utf8(reason).is_err() {
                return Err(Fault::NotText);
            }
            Ok(Incoming::Close(Some(code)))
        }
    }
}

fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let (chunks, rest) = payload.as_chunks_mut::<4>();
    for chunk in chunks {
        *chunk = (u32::from_ne_bytes(*chunk) ^ u32::from_ne_bytes(mask)).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask) {
        *byte ^= mask;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MASK: [u8; 4] = [1, 2, 3, 4];

    /// A frame as a client sends it; `first` holds opcode and bits.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut masked = payload.to_vec();
        unmask(&mut masked, MASK);
        let length = match payload.len() {
            length @ ..=125 => vec![0x80 | length as u8],
            length @ ..=0xffff => [&[0x80 | 126][..], &(length as u16).to_be_bytes()].concat(),
            length => [&[0x80 | 127][..], &(length as u64).to_be_bytes()].concat(),
        };
        [&[first][..], &length, &MASK, &masked].concat()
    }

    fn read(bytes: &[u8], chunk: usize) -> (Vec<Incoming>, Option<Fault>) {
        let (mut decoder, mut read) = (Decoder::new(100_000), Vec::new());
        for piece in bytes.chunks(chunk) {
            decoder.feed(piece);
            loop {
                match decoder.take() {
                    Ok(Some(incoming)) => read.push(incoming),
                    Ok(None) => break,
                    Err(fault) => return (read, Some(fault)),
                }
            }
        }
        (read, None)
    }

    #[test]
    fn messages_come_whole_however_they_are_cut() {
        let long = vec![b'x'; 70_000];
        let stream = [
            frame(0x81, b"{}"),
            frame(0x01, b"{\"a"),
            frame(0x89, b"hi"),
            frame(0x00, b"\":"),
            frame(0x80, b"1}"),
            frame(0x82, &[0, 159]),
            frame(0x81, &[b'y'; 300]),
            frame(0x82, &long),
            frame(0x8a, b""),
            frame(0x88, &[0x03, 0xe8, b'b']),
        ]
        .concat();
        let expected = vec![
            Incoming::Text("{}".into()),
            Incoming::Fragment,
            Incoming::Ping("hi".into()),
            Incoming::Fragment,
            Incoming::Text(r#"{"a":1}"#.into()),
            Incoming::Binary(vec![0, 159].into()),
            Incoming::Text(vec![b'y'; 300].into()),
            Incoming::Binary(long.into()),
            Incoming::Pong,
            Incoming::Close(Some(1000)),
        ];
        for chunk in [1, 2, 3, 7, 1000, 100_000] {
            assert_eq!(read(&stream, chunk), (expected.clone(), None), "{chunk}");
        }
    }

    #[test]
    fn what_is_no_websocket_is_named() {
        let fault = |bytes: &[u8]| {
            let faults: Vec<_> = [1, 1000].iter().map(|chunk| read(bytes, *chunk).1).collect();
            assert_eq!(faults[0], faults[1]);
            match faults[0] {
                Some(Fault::Framing(_)) => 1002,
                Some(Fault::NotText) => 1007,
                Some(Fault::TooLarge) => 1009,
                None => 0,
            }
        };
        for (bytes, expected) in [
            (frame(0xc1, b""), 1002),
            (frame(0x83, b""), 1002),
            (frame(0x8f, b""), 1002),
            (vec![0x81, 0x00], 1002),
            (frame(0x80, b""), 1002),
            ([frame(0x01, b"a"), frame(0x81, b"b")].concat(), 1002),
            (frame(0x09, b""), 1002),
            (frame(0x89, &[0; 126]), 1002),
            (frame(0x88, &[3]), 1002),
            (frame(0x88, &[0x03, 0xed]), 1002),
            (frame(0x88, &[0x03, 0xe8, 0xff]), 1007),
            (frame(0x81, &[0xff]), 1007),
            ([frame(0x01, &[0xc3]), frame(0x80, &[0xa9])].concat(), 0),
            ([frame(0x01, &[0xc3]), frame(0x80, b"")].concat(), 1007),
            (vec![0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 1009),
            (vec![0x82, 0xff, 0, 0, 0, 0, 0, 1, 0x86, 0xa1], 1009),
            ([frame(0x02, &[0; 60_000]), frame(0x80, &[0; 40_001])].concat(), 1009),
            ([frame(0x02, &[0; 60_000]), frame(0x80, &[0; 40_000])].concat(), 0),
        ] {
            assert_eq!(fault(&bytes), expected, "{:?}", &bytes[..bytes.len().min(12)]);
        }
    }
}
