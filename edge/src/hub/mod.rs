//! What is next for a subscriber: streams opened by cursor, read in order, rendered once.

pub mod outcome;
pub mod position;
pub mod item;
pub mod subscription;
pub mod feed;
pub mod reader;

pub use feed::Opening;
pub use item::Item;
pub use outcome::Outcome;
pub use reader::Reader;
pub use subscription::subscriptions;
