//! Request bodies as they arrive: bounded in size and time, decompressed.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body::Body as _;
use http_body_util::BodyExt;
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout, timeout_at};

use crate::config::LimitsConfig;
use crate::error::{Code, Error, Result};
use crate::gunzip::Gunzip;

/// A body that is refused is read on for a while, or its sender would see a reset instead of the answer.
const DRAINED_BYTES: usize = 16 * 1024 * 1024;
const DRAINED_TIME: Duration = Duration::from_secs(2);

/// A body that arrives. What is not read of it is drained when it is dropped.
#[derive(Debug)]
pub struct Incoming {
    body: Body,
    gunzip: Option<Gunzip>,
    /// How many bytes may come out of it.
    limit: usize,
    taken: usize,
    timeout: Duration,
    /// When all of it must have come.
    until: Option<Instant>,
    /// Its sender waits for `100 Continue`, so there is nothing to drain before the first read.
    is_withheld: bool,
}

impl Incoming {
    /// # Errors
    /// 413 when it announces more than `limit` bytes, 415 when it is compressed otherwise than by gzip.
    pub fn new(limits: &LimitsConfig, limit: usize, headers: &HeaderMap, body: Body) -> Result<Self> {
        let gunzip = is_gzip(headers)?.then(Gunzip::default);
        let is_withheld = headers.get(header::EXPECT).is_some_and(|expect| expect == "100-continue");
        let incoming =
            Self { body, gunzip, limit, taken: 0, timeout: limits.body_timeout, until: None, is_withheld };
        let announced = headers.get(header::CONTENT_LENGTH);
        let announced = announced.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if announced.is_some_and(|length| length > limit as u64) {
            return Err(too_large(limit));
        }
        Ok(incoming)
    }

    /// Also limits the time for the whole body.
    pub fn in_all(mut self, time: Option<Duration>) -> Self {
        self.until = time.and_then(|time| Instant::now().checked_add(time));
        self
    }

    /// The next bytes, never empty; `None` at the end.
    ///
    /// # Errors
    /// 413 above the limit, 408 when nothing arrives for too long, 400 when it is cut short or no gzip.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        self.is_withheld = false;
        let Some(data) = self.part().await? else { return Ok(None) };
        if data.len() > self.limit - self.taken {
            return Err(too_large(self.limit));
        }
        self.taken += data.len();
        Ok(Some(data))
    }

    async fn part(&mut self) -> Result<Option<Bytes>> {
        loop {
            if let Some(gunzip) = &mut self.gunzip
                && let Some(data) = gunzip.plain()?
            {
                return Ok(Some(data));
            }
            let next = Instant::now() + self.timeout;
            let until = self.until.map_or(next, |until| until.min(next));
            let frame = timeout_at(until, self.body.frame()).await.map_err(|_| too_slow())?;
            let Some(frame) = frame else {
                self.gunzip.take().map_or(Ok(()), Gunzip::finish)?;
                return Ok(None);
            };
            let frame = frame
                .map_err(|_| Error::new(Code::InvalidArgument, "BODY_CUT", "The body was cut short."))?;
            match (frame.into_data(), &mut self.gunzip) {
                (Ok(data), Some(gunzip)) => gunzip.push(data),
                (Ok(data), None) if !data.is_empty() => return Ok(Some(data)),
                (Ok(_) | Err(_), _) => {}
            }
        }
    }

    /// All of it at once, which has to arrive in the time that else holds for every part.
    pub async fn collect(mut self) -> Result<Bytes> {
        // Most requests have none, and need no clock for it.
        if self.body.is_end_stream() && self.gunzip.is_none() {
            return Ok(Bytes::new());
        }
        let limit = self.timeout;
        let whole = async {
            // Most bodies come in one part, which is not copied.
            let Some(first) = self.next().await? else { return Ok(Bytes::new()) };
            let Some(second) = self.next().await? else { return Ok(first) };
            let mut collected = BytesMut::from(&*first);
            collected.extend_from_slice(&second);
            while let Some(data) = self.next().await? {
                collected.extend_from_slice(&data);
            }
            Ok(collected.freeze())
        };
        timeout(limit, whole).await.unwrap_or_else(|_| Err(too_slow()))
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        let mut rest = std::mem::take(&mut self.body);
        let Ok(runtime) = Handle::try_current() else { return };
        if rest.is_end_stream() || self.is_withheld {
            return;
        }
        runtime.spawn(timeout(DRAINED_TIME, async move {
            let mut drained = 0;
            while let Some(Ok(frame)) = rest.frame().await
                && drained < DRAINED_BYTES
            {
                drained += frame.data_ref().map_or(0, Bytes::len);
            }
        }));
    }
}

fn is_gzip(headers: &HeaderMap) -> Result<bool> {
    let mut codings = headers.get_all(header::CONTENT_ENCODING).iter();
    let coding = match (codings.next(), codings.next()) {
        (None, _) => return Ok(false),
        (Some(coding), None) => coding.to_str().unwrap_or_default().trim().to_ascii_lowercase(),
        (Some(_), Some(_)) => String::new(),
    };
    match coding.as_str() {
        "identity" => Ok(false),
        "gzip" | "x-gzip" => Ok(true),
        _ => {
            let message = "Send the body without `Content-Encoding`, or with `Content-Encoding: gzip`.";
            let error = Error::new(Code::InvalidArgument, "CONTENT_ENCODING_UNSUPPORTED", message);
            // RFC 9110, section 12.5.3.
            Err(error
                .status(StatusCode::UNSUPPORTED_MEDIA_TYPE)
                .header(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip, identity")))
        }
    }
}

/// A body, or one message of it, that is larger than `limit` bytes.
pub fn too_large(limit: usize) -> Error {
    Error::new(Code::ResourceExhausted, "BODY_TOO_LARGE", format!("The body is larger than {limit} bytes."))
        .status(StatusCode::PAYLOAD_TOO_LARGE)
        .header(header::CONNECTION, HeaderValue::from_static("close"))
}

/// A body whose time is over.
pub fn too_slow() -> Error {
    Error::new(Code::DeadlineExceeded, "BODY_TIMEOUT", "The body took too long to arrive.")
        .status(StatusCode::REQUEST_TIMEOUT)
}
