//! Requests of LogService.

use lastmile_proto::v1;
use prost::Message;
use prost_types::Timestamp;
use v1::LogLevel;

use super::check::Check;
use super::value::is_json;
use crate::domain::LogFilter;
use crate::error::{Error, Result, Violation};
use crate::log::{Log, Start};
use crate::model::{EventLimit, Time};

/// Records of one call.
const MAX_RECORDS: usize = 10_000;

/// Latest records a caller may ask for.
const MAX_LAST: u32 = 1_000;

/// Seconds of a timestamp: from the year 1 to the year 9999.
const SECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

/// The record that comes after `before` others in its call. Level and time are filled in; a trace context that is none
/// is dropped.
pub(in crate::service) fn log_record(
    limit: EventLimit,
    request: v1::WriteLogsRequest,
    before: usize,
) -> Result<v1::LogRecord> {
    let mut check = Check::default();
    let field = |name: &str| format!("record[{before}].{name}");
    let this = format!("record[{before}]");
    check.require(before < MAX_RECORDS, &this, "is one too many: write at most 10,000 records in a call");
    let record = check.take(request.record, &this, "is required");
    let (level, message) = (LogLevel::try_from(record.level).ok(), &record.message);
    let level = check.take(level, &field("level"), "must be a LogLevel");
    // Stack traces have lines and indents; other control characters confuse the terminals of those who read logs.
    let harmless = !message.chars().any(|each| each.is_control() && !matches!(each, '\n' | '\r' | '\t'));
    let fits = (1..=8_192).contains(&message.chars().count()) && harmless;
    let why = "must have 1-8192 characters and no control characters but tabs and line ends";
    check.require(fits, &field("message"), why);
    check.require(record.time.is_none_or(is_time), &field("time"), "must be a time of the years 1 to 9999");
    check.text(&record.source, &field("source"), 0, 128);
    let numbers = record.fields.iter().flat_map(|each| each.fields.values()).all(is_json);
    check.require(numbers, &field("fields"), "must hold JSON values; NaN and Infinity are none");
    check.encoded(record.encoded_len(), limit.0, &this);
    check.finish().map_err(|error| after(error, &this, before))?;
    let level = if level == LogLevel::Unspecified { LogLevel::Debug } else { level };
    let traceparent = Some(record.traceparent).filter(|text| is_traceparent(text)).unwrap_or_default();
    let time = record.time.or_else(|| Some(Time::now().into()));
    Ok(v1::LogRecord { level: level.into(), traceparent, time, ..record })
}

/// Which records to follow, and where to begin if the log still goes on from there.
pub(in crate::service) fn tail_logs(
    log: &Log,
    request: v1::TailLogsRequest,
) -> Result<(LogFilter, Result<Start>)> {
    let mut check = Check::default();
    let level = LogLevel::try_from(request.min_level);
    check.require(level.is_ok(), "min_level", "must be a LogLevel, or absent for all records");
    check.text(&request.source, "source", 0, 128);
    check.require(request.last <= MAX_LAST, "last", "must be 0-1000");
    let start = check.start(log, &request.cursor, request.last as usize);
    check.finish()?;
    Ok((LogFilter { min_level: request.min_level, source: request.source }, start))
}

/// Tells what became of the records before the bad one.
fn after(error: Error, field: &str, before: usize) -> Error {
    match error {
        Error::Invalid(mut violations) => {
            let why = format!("is refused; the {before} records before it are written, none after it");
            violations.push(Violation::new(field, why));
            Error::Invalid(violations)
        }
        other => other,
    }
}

fn is_time(time: Timestamp) -> bool {
    SECONDS.contains(&time.seconds) && (0..1_000_000_000).contains(&time.nanos)
}

/// `traceparent` of W3C Trace Context, version 00.
fn is_traceparent(text: &str) -> bool {
    let hex = |part: &str, length| {
        part.len() == length && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let id = |part: &str, length| hex(part, length) && part.bytes().any(|byte| byte != b'0');
    match text.split('-').collect::<Vec<_>>()[..] {
        ["00", trace, span, flags] => id(trace, 32) && id(span, 16) && hex(flags, 2),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use prost_types::value::Kind;
    use prost_types::{Struct, Value};

    use super::*;

    const LIMIT: EventLimit = EventLimit(64 * 1024);

    fn write(record: v1::LogRecord) -> Result<v1::LogRecord> {
        log_record(LIMIT, v1::WriteLogsRequest { record: Some(record) }, 3)
    }

    fn record(message: &str) -> v1::LogRecord {
        v1::LogRecord { message: message.to_owned(), ..Default::default() }
    }

    fn fields(record: v1::LogRecord) -> Vec<String> {
        match write(record) {
            Err(Error::Invalid(violations)) => {
                let (last, others) = violations.split_last().expect("no violation");
                assert!(last.description.contains("the 3 records before it are written"), "{last:?}");
                others.iter().map(|each| each.field.replace("record[3]", "")).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    fn structure(kind: Option<Kind>) -> Option<Struct> {
        Some(Struct { fields: BTreeMap::from([("n".to_owned(), Value { kind })]) })
    }

    #[test]
    fn good_records_pass_and_get_what_they_lack() {
        let written = write(record("a\n\tat b (c.js:1)\r\n")).unwrap();
        assert_eq!(written.level(), LogLevel::Debug);
        assert!(written.time.is_some());
        let time = Some(Timestamp { seconds: 7, nanos: 5 });
        let full = v1::LogRecord {
            level: LogLevel::Error.into(),
            time,
            source: "app".to_owned(),
            fields: structure(Some(Kind::NumberValue(1.5))),
            traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned(),
            ..record(&"ä".repeat(8192))
        };
        assert_eq!(write(full.clone()).unwrap(), full);
    }

    #[test]
    fn bad_records_tell_all_wrong_fields_and_what_was_written() {
        let bad = v1::LogRecord {
            level: 9,
            message: "\u{1b}[31mred".to_owned(),
            time: Some(Timestamp { seconds: 0, nanos: -1 }),
            source: "x".repeat(129),
            fields: structure(Some(Kind::NumberValue(f64::NAN))),
            ..Default::default()
        };
        assert_eq!(fields(bad), [".level", ".message", ".time", ".source", ".fields"]);
        assert_eq!(fields(record("")), [".message"]);
        assert_eq!(fields(record(&"x".repeat(8193))), [".message"]);
        assert_eq!(fields(v1::LogRecord { fields: structure(None), ..record("x") }), [".fields"]);
        let big = structure(Some(Kind::StringValue("x".repeat(LIMIT.0))));
        assert_eq!(fields(v1::LogRecord { fields: big, ..record("x") }), [""]);
        assert!(log_record(LIMIT, v1::WriteLogsRequest { record: None }, 0).is_err());
        let good = || v1::WriteLogsRequest { record: Some(record("x")) };
        assert!(log_record(LIMIT, good(), MAX_RECORDS - 1).is_ok());
        assert!(log_record(LIMIT, good(), MAX_RECORDS).is_err());
    }

    #[test]
    fn trace_contexts_that_are_none_are_dropped() {
        for (text, kept) in [
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", true),
            ("", false),
            ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", false),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", false),
            ("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false),
            ("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", false),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x", false),
        ] {
            let traceparent = text.to_owned();
            let written = write(v1::LogRecord { traceparent, ..record("x") }).unwrap();
            assert_eq!(written.traceparent == text && !text.is_empty(), kept, "{text}");
        }
    }
}
