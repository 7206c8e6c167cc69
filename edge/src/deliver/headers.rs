//! The headers of every stream: nothing on the way may keep, change or hold it back.

use http::{HeaderName, header};

pub fn stream_headers(content_type: &'static str) -> [(HeaderName, &'static str); 3] {
    [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, "no-store, no-transform"),
        // nginx would collect a whole buffer first.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ]
}
