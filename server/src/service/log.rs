//! LogService, which a later version fills in.

use lastmile_proto::v1;
use tonic::{Request, Response, Status, Streaming, async_trait};
use v1::log_service_server::LogService;

use crate::error::Error;

/// Answers UNIMPLEMENTED by the name of each method.
#[derive(Debug, Clone, Copy)]
pub struct LogApi;

#[async_trait]
impl LogService for LogApi {
    async fn write_logs(
        &self,
        _: Request<Streaming<v1::WriteLogsRequest>>,
    ) -> Result<Response<v1::WriteLogsResponse>, Status> {
        Err(Error::Unimplemented("lastmile.v1.LogService/WriteLogs").into())
    }

    type TailLogsStream = tokio_stream::Empty<Result<v1::TailLogsResponse, Status>>;

    async fn tail_logs(
        &self,
        _: Request<v1::TailLogsRequest>,
    ) -> Result<Response<Self::TailLogsStream>, Status> {
        Err(Error::Unimplemented("lastmile.v1.LogService/TailLogs").into())
    }

    async fn authorize_tail_logs(&self, _: Request<v1::TailLogsRequest>) -> Result<Response<()>, Status> {
        Err(Error::Unimplemented("lastmile.v1.LogService/AuthorizeTailLogs").into())
    }
}
