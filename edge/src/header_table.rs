//! What is kept out of the table of headers that both ends of an HTTP/2 connection hold (RFC 7541, section 2.3.2).

use http::HeaderValue;

/// Of one message alone: in the table it would drive out what all of them have in common, and be of no use there.
pub fn unindexed(mut value: HeaderValue) -> HeaderValue {
    // That is how a value is kept out of it (RFC 7541, section 6.2.3).
    value.set_sensitive(true);
    value
}
