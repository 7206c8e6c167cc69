//! What is fed: a function per target, which panics when its oracle disagrees.

mod template;
mod query;
mod write_json;
mod read_json;
mod editions;
mod frames;
mod session;

/// A reader of bytes from outside.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target {
    /// Its folder of kept inputs.
    pub(crate) name: &'static str,
    /// Whether the bytes were accepted; those are mutated further.
    pub(crate) run: fn(&[u8]) -> bool,
    /// Pieces that are put into inputs, because chance would not find them.
    pub(crate) words: &'static [&'static [u8]],
}

pub(crate) const ALL: [Target; 7] = [
    template::TARGET,
    query::TARGET,
    write_json::TARGET,
    read_json::TARGET,
    editions::TARGET,
    frames::TARGET,
    session::TARGET,
];
