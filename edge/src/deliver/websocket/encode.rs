//! Frames of a server: not masked, never in fragments (RFC 6455, section 5.2).

use bytes::Bytes;

const LAST: u8 = 0x80;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;
/// Of a control frame; the code of a close takes two of them.
const MOST_CONTROL: usize = 125;

/// A whole message.
pub fn frame(is_text: bool, payload: &[u8]) -> Bytes {
    encoded(if is_text { TEXT } else { BINARY }, payload)
}

pub fn ping() -> Bytes {
    Bytes::from_static(&[LAST | PING, 0])
}

pub fn pong(payload: &[u8]) -> Bytes {
    encoded(PONG, &payload[..payload.len().min(MOST_CONTROL)])
}

/// Closes with a code and a reason, which is cut to what fits; without a code, or with the one that stands for none, says
/// nothing.
pub fn close(code: Option<u16>, reason: &str) -> Bytes {
    let Some(code) = code.filter(|code| *code != 1005) else { return encoded(CLOSE, &[]) };
    let end = reason.floor_char_boundary(MOST_CONTROL - 2);
    encoded(CLOSE, &[&code.to_be_bytes(), &reason.as_bytes()[..end]].concat())
}

fn encoded(opcode: u8, payload: &[u8]) -> Bytes {
    let mut frame = Vec::with_capacity(payload.len() + 10);
    frame.push(LAST | opcode);
    match payload.len() {
        length @ ..=125 => frame.push(length as u8),
        length @ ..=0xffff => {
            frame.push(126);
            frame.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            frame.push(127);
            frame.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(payload);
    frame.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_take_as_few_bytes_as_they_need() {
        for (length, head) in [
            (0, &[0x81, 0][..]),
            (125, &[0x81, 125]),
            (126, &[0x81, 126, 0, 126]),
            (0xffff, &[0x81, 126, 0xff, 0xff]),
            (0x10000, &[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let frame = frame(true, &vec![b'a'; length]);
            assert_eq!((&frame[..head.len()], frame.len()), (head, head.len() + length));
        }
        assert_eq!(close(Some(4401), "é"), [0x88, 4, 0x11, 0x31, 0xc3, 0xa9].as_slice());
        assert_eq!(close(None, "x"), [0x88, 0].as_slice());
        assert_eq!(close(Some(1000), &"é".repeat(100)).len(), 2 + 2 + 122, "cut between letters");
        assert_eq!(pong(&[7; 200]).len(), 127);
    }
}
