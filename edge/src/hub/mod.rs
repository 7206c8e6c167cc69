//! What is next for a subscriber: one upstream stream for all who read it, opened again where it broke, rendered once.
//!
//! From the ground up: a `render`ed message is an `event` of an `item`; a `source` is one upstream call, a `supply` outlives
//! its calls, and a `pump` writes it into the `ring` of a `feed`. A `reader` has a `part` in each of its feeds. Who shares
//! which feed is said by its `audience`; a `question` asks for an `admission`.

pub mod counts;
pub mod outcome;
pub mod event;
pub mod item;
pub mod render;
pub mod position;
pub mod subject;
pub mod source;
pub mod subscription;
pub mod supply;
pub mod ring;
pub mod budget;
pub mod sync;
pub mod rare;
pub mod feed;
pub mod audience;
pub mod registry;
pub mod pump;
pub mod latest;
pub mod question;
pub mod admission;
pub mod private;
pub mod part;
pub mod reader;
#[expect(clippy::module_inception, reason = "the folder is named for it")]
pub mod hub;

pub use audience::Reading;
pub use counts::Counts;
pub use event::Event;
pub use feed::Feed;
pub use hub::{Ask, Hub, Manner};
pub use item::{Entry, Item};
pub use outcome::{Opening, Outcome};
pub use rare::Rare;
pub use reader::Reader;
pub use subscription::subscriptions;
