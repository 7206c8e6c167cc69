//! Commands for whoever runs a server: backup, restore, check.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, anyhow, bail, ensure};
use clap::Subcommand;

use crate::error::Error;
use crate::folder::DataFolder;
use crate::store::{DATABASE_FILE, backup, check, restore};

/// What to do instead of serving.
#[derive(Debug, Clone, Subcommand)]
pub enum Maintenance {
    /// Copy the database into a new file; the server may be running
    Backup {
        /// The file to make; it will hold password hashes and signing keys
        file: PathBuf,
    },
    /// Make a backup the database of an empty data folder; subscribers will be told of the gap
    Restore {
        /// The backup
        file: PathBuf,
    },
    /// Look for faults in the database, or in a backup; the server may be running
    Check {
        /// The backup; without one the database of the data folder
        file: Option<PathBuf>,
    },
}

impl Maintenance {
    /// Does it as the whole job of a process, with the data folder that its settings name.
    pub fn main(&self, program: &str, data: anyhow::Result<PathBuf>) -> ExitCode {
        // When the terminal is gone, nobody can be told.
        match data.and_then(|data| self.run(&data)) {
            Ok(done) => {
                let _ = writeln!(io::stdout(), "{done}");
                ExitCode::SUCCESS
            }
            Err(error) => {
                let _ = writeln!(io::stderr(), "{program}: {error:#}");
                ExitCode::FAILURE
            }
        }
    }

    /// Does it with a data folder, and tells in one line what it found.
    ///
    /// # Errors
    /// When it cannot be done, or the check finds faults.
    fn run(&self, data: &Path) -> anyhow::Result<String> {
        match self {
            Self::Backup { file } => {
                let report = backup(data, file).map_err(cause)?;
                // The copy of a damaged database is worth keeping, and no success.
                ensure!(report.faults.is_empty(), "{} made, of a damaged database: {report}", file.display());
                Ok(format!("{} made: {report}", file.display()))
            }
            Self::Restore { file } => {
                let folder = DataFolder::take(data)?;
                let report = restore(file, folder.path()).map_err(cause)?;
                Ok(format!("{} restored from {}: {report}", data.display(), file.display()))
            }
            Self::Check { file } => {
                let database = file.clone().unwrap_or_else(|| data.join(DATABASE_FILE));
                let report =
                    check(&database).map_err(cause).with_context(|| database.display().to_string())?;
                if !report.faults.is_empty() {
                    bail!("{} has faults: {report}", database.display());
                }
                Ok(format!("{} has no fault: {report}", database.display()))
            }
        }
    }
}

/// No stranger reads this: the operator sees the cause.
fn cause(error: Error) -> anyhow::Error {
    match error {
        Error::Internal(cause) | Error::StorageDamaged(cause) => anyhow!(cause),
        other => other.into(),
    }
}
