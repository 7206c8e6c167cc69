//! The file in which earlier versions kept the key that signs tokens.

use std::fs;
use std::io::{ErrorKind, Result};
use std::path::{Path, PathBuf};

use secrecy::SecretString;

/// Name of the file in the data folder: PKCS #8 in PEM.
const FILE: &str = "signing-key.pem";

/// The key file of a data folder.
#[derive(Debug)]
pub(super) struct KeyFile(PathBuf);

impl KeyFile {
    pub(super) fn of(folder: &Path) -> Self {
        Self(folder.join(FILE))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// What is in the file, if there is one.
    pub(super) fn read(&self) -> Result<Option<SecretString>> {
        match fs::read_to_string(&self.0) {
            Ok(pem) => Ok(Some(pem.into())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn delete(&self) -> Result<()> {
        fs::remove_file(&self.0)
    }
}
