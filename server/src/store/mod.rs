//! Where records and the log are kept: one write path, and reads that see one snapshot.
//!
//! [`Store`] is all the rest of the crate knows; [`SqliteStore`] is the embedded one.

mod change;
mod bells;
mod traits;
mod sqlite;

pub use bells::{Bell, Bells};
pub use change::{
    Appended, Change, Changed, Committed, DocumentChange, DocumentChanged, KeyChange, Rotation,
    ServiceTokenChange, ServiceTokenChanged, SessionChange, SessionChanged, TokenHash, TokenPair,
    TopicChange, TopicChanged, UserChange, UserChanged, Write,
};
pub use sqlite::{FILE as DATABASE_FILE, Report, SqliteStore, backup, check, restore};
pub use traits::{
    Answer, DocumentPage, DocumentQuery, LogReads, RevocationList, Slice, SliceLimit, Store, UserPage,
    UserQuery,
};
