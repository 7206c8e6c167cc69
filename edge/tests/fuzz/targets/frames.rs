//! What the faces of RPC read: however the bytes are cut, the same comes of them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use lastmile_edge::front::rpc::base64_text::{BadBase64, Base64Text, encode};
use lastmile_edge::front::rpc::connect;
use lastmile_edge::upstream::envelope::{Envelope, Envelopes, TooLarge, envelope};

use super::Target;

/// Of one message, in bytes.
const LIMIT: usize = 64;
/// Where inputs are cut in two; further on they are cut by size alone.
const CUTS: usize = 16;

pub(super) const TARGET: Target = Target {
    name: "frames",
    run,
    words: &[
        b"\0\0\0\0\0",
        b"\0\0\0\0\x02{}",
        b"\x01\0\0\0\x03abc",
        b"\x02\0\0\0\x02{}",
        b"\x80\0\0\0\x0fgrpc-status:0\r\n",
        b"\0\0\0\0\x40",
        b"\0\0\0\0\x41",
        b"\0\xff\xff\xff\xff",
        b"AAAA",
        b"AAA=",
        b"AA==",
        b"encoding=json",
        b"&encoding=proto",
        b"&message=",
        b"&base64=1",
        b"&compression=gzip",
        b"%7B%7D",
    ],
};

fn run(data: &[u8]) -> bool {
    // None of them may be left out: each fails for itself.
    [frames(data), base64_text(data), query(data)].contains(&true)
}

/// The messages, whether a header then asked for too much, and whether something is left.
type Found = (Vec<(u8, Vec<u8>)>, bool, bool);

fn frames(data: &[u8]) -> bool {
    let expected = reference(data);
    let (messages, is_refused, is_left) = &expected;
    let whole: Vec<u8> = messages.iter().flat_map(|(flags, message)| envelope(*flags, message)).collect();
    for chunks in cuts(data) {
        assert_eq!(one_by_one(&chunks), expected, "one by one, in chunks of {:?}", sizes(&chunks));
        let at_once = at_once(&chunks);
        assert_eq!(at_once, (whole.clone(), *is_refused, *is_left), "in chunks of {:?}", sizes(&chunks));
    }
    !messages.is_empty() && !is_refused
}

/// Reads the layout as the protocols describe it: a byte of flags, four of length, the message.
fn reference(mut rest: &[u8]) -> Found {
    let mut messages = Vec::new();
    while let Some((header, behind)) = rest.split_at_checked(5) {
        let length = header[1..].iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        if length > LIMIT {
            return (messages, true, true);
        }
        let Some((message, next)) = behind.split_at_checked(length) else { break };
        messages.push((header[0], message.to_vec()));
        rest = next;
    }
    (messages, false, !rest.is_empty())
}

fn one_by_one(chunks: &[&[u8]]) -> Found {
    let mut envelopes = Envelopes::new(LIMIT);
    let mut messages = Vec::new();
    for chunk in chunks {
        envelopes.push(Bytes::copy_from_slice(chunk));
        loop {
            match envelopes.take() {
                Ok(Some(Envelope { flags, message })) => messages.push((flags, message.to_vec())),
                Ok(None) => break,
                Err(TooLarge) => return (messages, true, true),
            }
        }
    }
    (messages, false, !envelopes.is_between())
}

fn at_once(chunks: &[&[u8]]) -> (Vec<u8>, bool, bool) {
    let mut envelopes = Envelopes::new(LIMIT);
    let mut whole = Vec::new();
    for chunk in chunks {
        envelopes.push(Bytes::copy_from_slice(chunk));
        loop {
            match envelopes.take_whole() {
                Ok(None) => break,
                Ok(Some(bytes)) => whole.extend_from_slice(&bytes),
                Err(TooLarge) => return (whole, true, true),
            }
        }
    }
    (whole, false, !envelopes.is_between())
}

fn base64_text(data: &[u8]) -> bool {
    let decoded = decode(&[data]);
    for chunks in cuts(data) {
        assert_eq!(decode(&chunks), decoded, "in chunks of {:?}", sizes(&chunks));
    }
    let Ok(bytes) = decoded else { return false };
    assert_eq!(decode(&[&encode(&bytes)]).as_ref(), Ok(&bytes), "written again");
    !bytes.is_empty()
}

fn decode(chunks: &[&[u8]]) -> Result<Vec<u8>, BadBase64> {
    let mut text = Base64Text::default();
    let mut decoded = Vec::new();
    for chunk in chunks {
        decoded.extend_from_slice(&text.decode(chunk)?);
    }
    text.end().map(|()| decoded)
}

fn query(data: &[u8]) -> bool {
    let Ok(query) = std::str::from_utf8(data) else { return false };
    let Ok((codec, message)) = connect::get::parse(query, LIMIT) else { return false };
    let plain = format!("encoding={}&base64=1&message={}", codec.name(), URL_SAFE_NO_PAD.encode(&message));
    let again = connect::get::parse(&plain, message.len()).expect("a query in its plainest form");
    assert_eq!(again, (codec, message), "{query:?}");
    true
}

/// The same bytes in pieces: in two at each of the first places, and in equal ones.
fn cuts(data: &[u8]) -> impl Iterator<Item = Vec<&[u8]>> {
    let in_two = (0..=data.len().min(CUTS)).map(move |at| vec![&data[..at], &data[at..]]);
    in_two.chain([1, 3, 5].into_iter().map(move |size| data.chunks(size).collect()))
}

fn sizes(chunks: &[&[u8]]) -> Vec<usize> {
    chunks.iter().map(|chunk| chunk.len()).collect()
}
