//! The contract, compiled: message types, gRPC stubs and encoded descriptors.
//!
//! [`edge`] holds what any backend may use with the edge (annotations, identity keys, session frames); `v1`, behind
//! the feature `core`, is the API of lastmile's own core.

#[allow(clippy::all, rustdoc::all, reason = "generated from .proto files, comments included")]
mod tree {
    include!(concat!(env!("OUT_DIR"), "/tree.rs"));
}

pub use tree::google;
pub use tree::lastmile::edge;
#[cfg(feature = "core")]
pub use tree::lastmile::v1;

/// Encoded `FileDescriptorSet` of `google.api`, `google.rpc`, `lastmile.edge.v1` and their imports, with comments.
pub const EDGE_DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/edge.binpb"));

/// Encoded `FileDescriptorSet` of the whole contract, with comments.
#[cfg(feature = "core")]
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/all.binpb"));

/// The `.proto` sources a backend imports to annotate its methods: path and text.
pub const ANNOTATION_SOURCES: &[(&str, &str)] = &[
    ("google/api/annotations.proto", include_str!("../google/api/annotations.proto")),
    ("google/api/http.proto", include_str!("../google/api/http.proto")),
    ("google/api/httpbody.proto", include_str!("../google/api/httpbody.proto")),
    ("lastmile/edge/v1/annotations.proto", include_str!("../lastmile/edge/v1/annotations.proto")),
];

/// The source of EdgeIdentityService, for a backend that implements it. Not among the annotations: a descriptor file that
/// holds it says that the backend serves it.
pub const IDENTITY_SOURCE: (&str, &str) =
    ("lastmile/edge/v1/identity.proto", include_str!("../lastmile/edge/v1/identity.proto"));
