//! All reasons, by what they are about.

use super::reason::Reason;
use super::{access, backends, requests, sessions, streams};

/// Where the edge serves the table, below `paths.prefix`.
pub const PATH: &str = "/.well-known/lastmile/reasons";

/// The parts of the table with their titles, in the order of the page.
pub const PARTS: [(&str, &[Reason]); 5] = [
    ("Who may call", access::ERRORS),
    ("Requests", requests::ERRORS),
    ("Backends, and the edge itself", backends::ERRORS),
    ("Streams", streams::REASONS),
    ("Sessions", sessions::REASONS),
];

/// All reasons.
pub fn all() -> impl Iterator<Item = &'static Reason> {
    PARTS.into_iter().flat_map(|(_, reasons)| reasons)
}

/// The reason of this name.
pub fn find(name: &str) -> Option<&'static Reason> {
    all().find(|reason| reason.name == name)
}
