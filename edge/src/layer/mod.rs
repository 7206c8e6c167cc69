//! The guards that every request passes, in the order of the chain.

pub mod peer;
pub mod host;
pub mod vary;
pub mod weights;
pub mod error_form;
pub mod panics;
pub mod compression;
pub mod cors;
pub mod access_log;
pub mod rate;
pub mod address_limit;
pub mod caller_limit;
pub mod cookies;
pub mod revocations;
pub mod keys;
pub mod tickets;
pub mod credential;
pub mod native;

pub use access_log::{RouteName, access_log};
pub use address_limit::{AddressLimit, ClientAddress, address_limit};
pub use caller_limit::CallerLimit;
pub use compression::compression;
pub use cookies::Cookies;
pub use cors::{Metadata, Origins, cors, page};
pub use credential::{Caller, StaleCookie, advise, challenge, holder, identify};
pub use error_form::{ERROR_MEDIA, error_form};
pub use host::host;
pub use keys::Keys;
pub use native::native_event_source;
pub use panics::panics;
pub use peer::Peer;
pub use tickets::Tickets;
pub use vary::vary;
pub use weights::{best_media, weighted};
