//! By what the caller lets a message be compressed.

use http::{HeaderMap, HeaderName};

use crate::layer::weighted;
use crate::upstream::gzip::Encoding;

/// The best of those that the header of this name accepts.
pub fn accepted(headers: &HeaderMap, name: &HeaderName) -> Encoding {
    let accepts = weighted(headers, name).iter().any(|coding| coding.is("gzip") && coding.weight > 0);
    if accepts { Encoding::Gzip } else { Encoding::Identity }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_weight_is_accepted() {
        let name = HeaderName::from_static("accept-encoding");
        for (value, expected) in [
            ("gzip", Encoding::Gzip),
            ("br, gzip;q=0.5", Encoding::Gzip),
            ("br, gzip;q=0", Encoding::Identity),
            ("deflate", Encoding::Identity),
            ("", Encoding::Identity),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(&name, value.parse().unwrap());
            assert_eq!(accepted(&headers, &name), expected, "{value}");
        }
    }
}
