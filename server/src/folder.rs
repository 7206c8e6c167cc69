//! The data folder, which one process holds at a time.

use std::fs::{DirBuilder, File, TryLockError};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// A data folder that no other process holds while this lives: two would each believe to be the only writer.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    _lock: File,
}

impl DataFolder {
    /// Takes a folder, which is made when it is missing.
    ///
    /// # Errors
    /// When it cannot be made or written to, or another process holds it.
    pub fn take(path: &Path) -> anyhow::Result<Self> {
        let name = path.display();
        // Passwords' hashes and signing keys are in it.
        let private = DirBuilder::new().recursive(true).mode(0o700).create(path);
        private.with_context(|| format!("the data folder {name} cannot be made"))?;
        let lock =
            File::create(path.join("lock")).with_context(|| format!("{name}/lock cannot be written"))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => {
                bail!(
                    "the data folder {name} is in use by another lastmile process: stop it, or choose another --data"
                )
            }
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("{name}/lock cannot be locked"))
            }
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
