//! A pool of connections that only read, each read in a snapshot of its own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::schema::open_reader;
use crate::error::{Error, Result};

/// Connections: reads are short, and more of them than cores only wait for each other.
const CONNECTIONS: usize = 4;

/// A cheap handle to the pool.
#[derive(Debug, Clone)]
pub(super) struct Readers {
    idle: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let idle = (0..CONNECTIONS).map(|_| open_reader(path)).collect::<Result<Vec<_>>>()?;
        Ok(Self { idle: Arc::new(Mutex::new(idle)), permits: Arc::new(Semaphore::new(CONNECTIONS)) })
    }

    /// Runs `read` off the async threads; all it sees is one snapshot.
    pub(super) async fn read<T: Send + 'static>(
        self,
        read: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let permit = self.permits.acquire_owned().await.map_err(Error::internal)?;
        let idle = self.idle;
        let read = move || {
            let taken = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let db = taken.ok_or_else(|| Error::internal("a read holds a permit and finds no connection"))?;
            // A fault of the program fails this read, and gives the connection back for the next.
            let result = catch_unwind(AssertUnwindSafe(|| read_snapshot(&db, read)));
            idle.lock().unwrap_or_else(PoisonError::into_inner).push(db);
            drop(permit);
            result.unwrap_or_else(|_| Err(Error::internal("a read has panicked")))
        };
        tokio::task::spawn_blocking(read).await.map_err(Error::internal)?
    }
}

fn read_snapshot<T>(db: &Connection, read: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
    let transaction = db.unchecked_transaction()?;
    let result = read(&transaction);
    transaction.rollback()?;
    result
}
