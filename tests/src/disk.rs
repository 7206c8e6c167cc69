//! A disk that fails on command, for one process and its children.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::process::repository;

/// How a disk can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Writes say that there is no space (ENOSPC).
    Full,
    /// Writes say that the file system is read-only (EROFS).
    ReadOnly,
    /// Writes fail (EIO).
    Write,
    /// Writes succeed, and syncing them fails (EIO).
    Sync,
}

/// A library that is loaded before libc and fails the calls that write, while a file says so.
#[derive(Debug)]
pub struct FaultyDisk {
    folder: TempDir,
}

impl FaultyDisk {
    /// Compiles the library; the disk works until it is told not to.
    ///
    /// # Panics
    /// When there is no C compiler, without which nothing here could have been built.
    pub fn new() -> Self {
        let disk = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        let source = repository().join("tests/foreign/faulty_disk.c");
        let library = disk.library();
        let compiled =
            Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(library).arg(source).status();
        assert!(compiled.is_ok_and(|status| status.success()), "faulty_disk.c does not compile");
        disk
    }

    /// What the process needs in its environment.
    ///
    /// # Panics
    /// Never: temporary folders have names in UTF-8.
    pub fn variables(&self) -> [(&'static str, String); 2] {
        let text = |path: &Path| path.to_str().expect("UTF-8").to_owned();
        [("LD_PRELOAD", text(&self.library())), ("FAULTY_DISK", text(&self.switch()))]
    }

    /// From now on the disk fails.
    ///
    /// # Panics
    /// When the switch cannot be written.
    pub fn fail(&self, fault: Fault) {
        let text = match fault {
            Fault::Full => "write 28",
            Fault::ReadOnly => "write 30",
            Fault::Write => "write 5",
            Fault::Sync => "sync 5",
        };
        // Renamed, so that no call reads half of it.
        let draft = self.folder.path().join("draft");
        std::fs::write(&draft, text)
            .and_then(|()| std::fs::rename(draft, self.switch()))
            .expect("the switch");
    }

    /// From now on the disk works.
    ///
    /// # Panics
    /// When it worked before.
    pub fn mend(&self) {
        std::fs::remove_file(self.switch()).expect("the switch");
    }

    fn library(&self) -> PathBuf {
        self.folder.path().join("faulty_disk.so")
    }

    fn switch(&self) -> PathBuf {
        self.folder.path().join("switch")
    }
}

impl Default for FaultyDisk {
    fn default() -> Self {
        Self::new()
    }
}
