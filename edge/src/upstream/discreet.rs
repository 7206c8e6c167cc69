//! How much of a failure's own words a backend's callers may know.

use lastmile_proto::google::rpc::{ErrorInfo, Status};
use prost::Message;
use prost_types::Any;

use crate::error::Code;
use crate::telemetry;

/// What may be told instead; `None` when all of it may. Backends' own faults may name tables, hosts and people: they are
/// told to the log. Stack traces are for nobody.
pub fn discreet(status: &Status) -> Option<Status> {
    let code = Code::from_number(status.code);
    if matches!(code, Code::Internal | Code::Unknown | Code::DataLoss) {
        let (reason, cause) = (reason(status), &status.message);
        tracing::error!(code = code.name(), reason, cause, "the backend failed");
        let trace = telemetry::trace_id().map(|id| format!(" under trace id {id}")).unwrap_or_default();
        let message = format!("The backend failed. The log of the edge has the cause{trace}.");
        return Some(Status { code: status.code, message, details: Vec::new() });
    }
    let is_debug = |detail: &Any| type_name(detail) == "google.rpc.DebugInfo";
    if !status.details.iter().any(is_debug) {
        return None;
    }
    let mut told = status.clone();
    told.details.retain(|detail| !is_debug(detail));
    Some(told)
}

/// The full name of a detail's type.
pub fn type_name(detail: &Any) -> &str {
    detail.type_url.rsplit('/').next().unwrap_or_default()
}

fn reason(status: &Status) -> String {
    let mut infos = status.details.iter().filter(|detail| type_name(detail) == "google.rpc.ErrorInfo");
    let info = infos.next_back().and_then(|info| ErrorInfo::decode(info.value.as_slice()).ok());
    info.map_or_else(|| Code::from_number(status.code).name().to_owned(), |info| info.reason)
}
