//! Debug logs: writing and following.

use std::sync::Arc;

use lastmile_proto::v1;
use v1::tail_logs_response::Entry;

use super::access::{check_log_reader, check_member};
use super::message::{log_event, log_message};
use crate::auth::{Caller, Identity};
use crate::error::Result;
use crate::log::{Filter, Log, Start, Tail};
use crate::model::{LOGS_TOPIC, NewEvent};
use crate::store::{Store, Write};
use crate::telemetry::current_traceparent;

/// Which records to follow.
#[derive(Debug, Clone)]
pub struct LogFilter {
    /// At least this important; 0 for all.
    pub min_level: i32,
    /// Of this source; empty for all.
    pub source: String,
}

impl LogFilter {
    /// Whether the filter admits every record.
    pub fn is_open(&self) -> bool {
        self.min_level <= v1::LogLevel::Debug.into() && self.source.is_empty()
    }

    fn admits(&self, record: &v1::LogRecord) -> bool {
        record.level >= self.min_level && (self.source.is_empty() || self.source == record.source)
    }
}

/// Writes and follows debug logs.
#[derive(Debug, Clone)]
pub struct Logs {
    store: Arc<dyn Store>,
    log: Log,
}

impl Logs {
    /// Logs of a store.
    pub fn new(store: Arc<dyn Store>, log: Log) -> Self {
        Self { store, log }
    }

    /// Admits a caller who may write logs.
    ///
    /// # Errors
    /// `LoginRequired`, `Forbidden`.
    pub fn authorize_write(caller: &Caller) -> Result<&Identity> {
        check_member(caller)
    }

    /// Appends records, all of them or none, in the name of an admitted caller; when it answers, they are on disk.
    ///
    /// # Errors
    /// Only by a fault of the store.
    pub async fn write(&self, writer: &Identity, records: Vec<v1::LogRecord>) -> Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        let traceparent = current_traceparent();
        let event = |record| {
            let publisher = writer.name.clone();
            let (kind, body) = log_event(v1::LogRecord { publisher: publisher.clone(), ..record });
            let (kind, traceparent) = (kind.to_owned(), traceparent.clone());
            NewEvent { topic: LOGS_TOPIC, kind, publisher, traceparent, body, idempotency: None }
        };
        self.store.commit(Write::events(records.into_iter().map(event).collect())).await.map(drop)
    }

    /// Admits a caller who may follow logs.
    ///
    /// # Errors
    /// `LoginRequired`, `Forbidden`.
    pub fn authorize_tail(caller: &Caller) -> Result<()> {
        check_log_reader(caller).map(drop)
    }

    /// Follows the records that a filter admits.
    ///
    /// # Errors
    /// `LoginRequired`, `Forbidden`, and the errors of a cursor that cannot go on.
    pub async fn tail(&self, caller: &Caller, filter: LogFilter, start: Start) -> Result<Tail> {
        Self::authorize_tail(caller)?;
        let topics = Arc::new([LOGS_TOPIC]);
        if filter.is_open() {
            return Tail::open(self.log.clone(), topics, start).await;
        }
        let filter = Filter::new(move |event| match log_message(event).map(|message| message.entry) {
            Ok(Some(Entry::Record(record))) => filter.admits(&record),
            // Whoever renders it says that it is damaged.
            Ok(None) | Err(_) => true,
        });
        Tail::open_filtered(self.log.clone(), topics, start, filter).await
    }
}
