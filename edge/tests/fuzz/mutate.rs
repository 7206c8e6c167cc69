//! Changes bytes: a few at a time, with pieces of other inputs and words of the target's own language.

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

/// Longer inputs are slow, and find nothing that shorter ones do not.
const LONGEST: usize = 2048;

/// An input made of `base`; `other` is a second one to take pieces from.
pub(crate) fn mutate(rng: &mut StdRng, base: &[u8], other: &[u8], words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = base.to_vec();
    for _ in 0..rng.random_range(1..=4) {
        step(rng, &mut bytes, other, words);
    }
    bytes.truncate(LONGEST);
    bytes
}

fn step(rng: &mut StdRng, bytes: &mut Vec<u8>, other: &[u8], words: &[&[u8]]) {
    let at = rng.random_range(0..=bytes.len());
    match rng.random_range(0..8) {
        0 if at < bytes.len() => bytes[at] ^= 1 << rng.random_range(0..8),
        1 if at < bytes.len() => bytes[at] = rng.random(),
        2 if at < bytes.len() => bytes[at] = bytes[at].wrapping_add(rng.random_range(0..3)).wrapping_sub(1),
        3 => drop(bytes.drain(at..(at + rng.random_range(0..8)).min(bytes.len()))),
        4 => insert(bytes, at, &piece(rng, other)),
        5 => {
            let own = piece(rng, bytes);
            insert(bytes, at, &own);
        }
        6 => insert(bytes, at, &[rng.random()]),
        _ => insert(bytes, at, words.choose(rng).unwrap_or(&b"".as_slice())),
    }
}

fn insert(bytes: &mut Vec<u8>, at: usize, piece: &[u8]) {
    bytes.splice(at..at, piece.iter().copied());
}

fn piece(rng: &mut StdRng, bytes: &[u8]) -> Vec<u8> {
    let start = rng.random_range(0..=bytes.len());
    let end = (start + rng.random_range(0..32)).min(bytes.len());
    bytes[start..end].to_vec()
}
