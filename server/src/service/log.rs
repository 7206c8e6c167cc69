//! LogService.

use futures_util::future::ready;
use futures_util::{FutureExt, StreamExt};
use lastmile_proto::v1;
use tonic::{Request, Response, Status, Streaming, async_trait};
use v1::log_service_server::LogService;

use super::call::caller;
use super::parse;
use super::stream::{Messages, Streams, Watch};
use crate::auth::Identity;
use crate::domain::{Logs, log_message};
use crate::error::Result;
use crate::log::{Delivery, Log};
use crate::model::EventLimit;

/// Records written at once, when so many have arrived.
const BATCH: usize = 64;

/// Writes debug logs and follows them.
#[derive(Debug, Clone)]
pub struct LogApi {
    logs: Logs,
    log: Log,
    streams: Streams,
    limit: EventLimit,
}

impl LogApi {
    /// The service over its domain; a record is an event within the limit.
    pub fn new(logs: Logs, log: Log, streams: Streams, limit: EventLimit) -> Self {
        Self { logs, log, streams, limit }
    }

    /// Writes the records of a batch up to the first bad one, and tells how many they are when none is bad.
    async fn write(
        &self,
        writer: &Identity,
        batch: Vec<Result<v1::LogRecord, Status>>,
    ) -> Result<u32, Status> {
        let mut records = Vec::with_capacity(batch.len());
        let all_good = batch.into_iter().try_for_each(|record| record.map(|record| records.push(record)));
        // At most a batch.
        let written = u32::try_from(records.len()).unwrap_or_default();
        self.logs.write(writer, records).await?;
        all_good.map(|()| written)
    }
}

#[async_trait]
impl LogService for LogApi {
    async fn write_logs(
        &self,
        request: Request<Streaming<v1::WriteLogsRequest>>,
    ) -> Result<Response<v1::WriteLogsResponse>, Status> {
        let caller = caller(&request);
        let writer = Logs::authorize_write(&caller)?;
        let watched = caller.clone();
        let authorize = move || ready(Logs::authorize_write(&watched).map(drop)).boxed();
        let mut guard = self.streams.guard(Watch::new(caller.clone(), authorize));
        // Each is checked as it comes, so that what waits is never larger than records may be.
        let (limit, records) = (self.limit, request.into_inner().enumerate());
        let records = records.map(|(index, request)| Ok(parse::log_record(limit, request?, index)?));
        let mut batches = records.ready_chunks(BATCH);
        let mut written = 0;
        loop {
            let batch = tokio::select! {
                biased;
                stirred = guard.stirred() => {
                    guard.allow(stirred).await?;
                    continue;
                }
                batch = batches.next() => batch,
            };
            match batch {
                Some(batch) => written += self.write(writer, batch).await?,
                None => return Ok(Response::new(v1::WriteLogsResponse { written })),
            }
        }
    }

    type TailLogsStream = Messages<v1::TailLogsResponse>;

    async fn tail_logs(
        &self,
        request: Request<v1::TailLogsRequest>,
    ) -> Result<Response<Self::TailLogsStream>, Status> {
        let caller = caller(&request);
        Logs::authorize_tail(&caller)?;
        let (filter, start) = parse::tail_logs(&self.log, request.into_inner())?;
        let whole = filter.is_open();
        let tail = self.logs.tail(&caller, filter, start?).await?;
        let log = self.log.clone();
        let render = move |delivery| render(&log, whole, delivery);
        let watch = Watch::new(caller.clone(), move || ready(Logs::authorize_tail(&caller)).boxed());
        Ok(Response::new(self.streams.deliver(tail, watch, render)))
    }

    async fn authorize_tail_logs(
        &self,
        request: Request<v1::TailLogsRequest>,
    ) -> Result<Response<()>, Status> {
        Logs::authorize_tail(&caller(&request))?;
        let _ = parse::tail_logs(&self.log, request.into_inner())?;
        Ok(Response::new(()))
    }
}

fn render(log: &Log, whole: bool, delivery: Delivery) -> Result<v1::TailLogsResponse> {
    Ok(match delivery {
        Delivery::Position(seq) => {
            v1::TailLogsResponse { cursor: log.cursor(seq), position: true, ..Default::default() }
        }
        Delivery::Event(event) => v1::TailLogsResponse {
            cursor: log.cursor(event.seq),
            // The record before is none of this stream's when some are kept back.
            previous: if whole { log.cursor(event.previous) } else { String::new() },
            ..log_message(&event)?
        },
    })
}
