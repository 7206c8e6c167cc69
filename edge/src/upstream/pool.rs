//! The connections to an endpoint that one runtime drives: a call wakes no thread but its own, and shares no lock with
//! those of others.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use tokio::runtime::Id;

use super::connection::Connection;

/// The connections of one runtime.
#[derive(Debug)]
pub(super) struct Pool {
    pub(super) runtime: Id,
    /// The first carries what it can; others come and go with the load.
    connections: ArcSwap<Vec<Arc<Connection>>>,
    changing: Mutex<()>,
    /// Calls that one connection carries at once.
    max_streams: usize,
}

/// A place on a connection; dropping it gives it back.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) connection: Arc<Connection>,
    pool: Arc<Pool>,
}

impl Pool {
    pub(super) fn new(runtime: Id, first: Connection, max_streams: usize) -> Self {
        let connections = ArcSwap::from_pointee(vec![Arc::new(first)]);
        Self { runtime, connections, changing: Mutex::new(()), max_streams }
    }

    pub(super) fn len(&self) -> usize {
        self.connections.load().len()
    }

    /// The connection that is never let go.
    pub(super) fn first(&self) -> Arc<Connection> {
        Arc::clone(&self.connections.load()[0])
    }

    /// A place on the first connection that has one, or on a new one.
    pub(super) fn place(self: &Arc<Self>, connect: impl FnOnce() -> Connection) -> Place {
        let connection = self.free().unwrap_or_else(|| self.grow(connect));
        Place { connection, pool: Arc::clone(self) }
    }

    fn free(&self) -> Option<Arc<Connection>> {
        self.connections.load().iter().find(|connection| connection.take(self.max_streams)).cloned()
    }

    fn grow(&self, connect: impl FnOnce() -> Connection) -> Arc<Connection> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(connection) = self.free() {
            return connection;
        }
        let connection = Arc::new(connect());
        connection.take(self.max_streams);
        let known = self.connections.load();
        self.connections.store(Arc::new(known.iter().chain([&connection]).cloned().collect()));
        connection
    }

    /// Lets connections go that even twice the load would not need.
    fn shrink(&self) {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let connections = self.connections.load();
        let calls: usize = connections.iter().map(|connection| connection.calls()).sum();
        if connections.len() > 1 + 2 * calls / self.max_streams {
            let is_kept =
                |(place, connection): &(usize, &Arc<Connection>)| *place == 0 || connection.calls() > 0;
            let kept = connections.iter().enumerate().filter(is_kept);
            self.connections.store(Arc::new(kept.map(|(_, connection)| Arc::clone(connection)).collect()));
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.connection.leave() && self.pool.len() > 1 {
            self.pool.shrink();
        }
    }
}
