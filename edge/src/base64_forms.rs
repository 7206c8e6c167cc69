//! Base64 as it is read here (RFC 4648): padded or not, because both are sent.

use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

const UNPADDED_TOO: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
/// Bits behind the last byte are nobody's (protobuf.dev, "ProtoJSON Format").
const LENIENT: GeneralPurposeConfig = UNPADDED_TOO.with_decode_allow_trailing_bits(true);

/// Binary metadata, exactly as tonic reads it.
pub const METADATA: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, UNPADDED_TOO);
/// Bytes in JSON.
pub const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
/// Bytes in JSON and in URLs.
pub const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);
