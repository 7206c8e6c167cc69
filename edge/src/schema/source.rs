//! Where descriptors come from.

use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::descriptors;

/// Where descriptors come from.
#[derive(Debug, Clone)]
pub enum Source {
    /// Asked of the backend by gRPC reflection.
    Reflection,
    /// An encoded `FileDescriptorSet` on disk (`buf build -o x.binpb`, `protoc -o x.binpb --include_imports`).
    File(PathBuf),
    /// An encoded `FileDescriptorSet` that the in-process core brings along.
    Encoded(&'static [u8]),
}

impl Source {
    /// The file that may change under the edge's eyes.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Reflection | Self::Encoded(_) => None,
        }
    }

    /// Reads the encoded files; `None` when only the backend can tell.
    pub fn read(&self) -> Result<Option<Vec<Bytes>>, String> {
        match self {
            Self::Reflection => Ok(None),
            Self::File(path) => {
                let encoded = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
                let files = descriptors::split_set(&encoded)
                    .map_err(|error| format!("{}: {error}", path.display()))?;
                Ok(Some(files))
            }
            Self::Encoded(encoded) => descriptors::split_set(encoded).map(Some),
        }
    }
}
