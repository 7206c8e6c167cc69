//! Reads a frame of the browser from ProtoJSON. Payloads are not looked into: they stay the text that they are.

use std::collections::BTreeMap;

use base64::Engine;
use bytes::Bytes;

use crate::base64_forms::STANDARD;
use crate::transcode::read::Text;
use crate::transcode::read::text::Syntax;

use super::close::Violation;
use super::frame::{ClientFrame, Credential, Encoding, Hello, Open, Payload};

type Result<T> = std::result::Result<T, Violation>;

/// Reads one frame.
///
/// # Errors
/// What is wrong with it, and where.
pub fn read(source: &Bytes) -> Result<ClientFrame> {
    let text = std::str::from_utf8(source).map_err(|_| bad("The frame is not valid UTF-8."))?;
    let mut reader = Reader { source, text: Text::new(text) };
    let frame = reader.frame()?;
    reader.text.end()?;
    Ok(frame)
}

struct Reader<'a> {
    source: &'a Bytes,
    text: Text<'a>,
}

/// The fields of any frame: each frame takes those that it has.
#[derive(Default)]
struct Fields {
    call: u32,
    messages: u32,
    received: u32,
    credit: u32,
    timeout_ms: u32,
    headers: BTreeMap<String, String>,
    method: String,
    cursor: String,
    session: String,
    token: Option<String>,
    ticket: Option<String>,
    traceparent: String,
    encoding: Option<Encoding>,
    payload: Option<Payload>,
}

impl Reader<'_> {
    fn frame(&mut self) -> Result<ClientFrame> {
        self.text.expect(b'{', "a frame is an object")?;
        let name = self.text.key()?;
        let allowed: &[&str] = match &*name {
            "hello" => &["token", "ticket", "session", "received", "traceparent"],
            "open" => {
                &["call", "method", "json", "proto", "cursor", "credit", "encoding", "timeoutMs", "headers"]
            }
            "send" => &["call", "json", "proto"],
            "halfClose" | "half_close" | "cancel" => &["call"],
            "credit" => &["call", "messages"],
            "auth" => &["token"],
            "ack" => &["received"],
            "ping" => &[],
            other => {
                return Err(bad(format!(
                    "There is no frame `{}`. Clients send hello, open, send, halfClose, cancel, credit, auth, ack, ping.",
                    shortened(other)
                )));
            }
        };
        let fields = self.fields(allowed)?;
        self.text.expect(b'}', "a frame has one member")?;
        Ok(match &*name {
            "hello" => ClientFrame::Hello(hello(fields)?),
            "open" => ClientFrame::Open(Open {
                call: fields.call,
                method: fields.method,
                payload: fields.payload,
                cursor: fields.cursor,
                credit: fields.credit,
                encoding: fields.encoding,
                timeout_ms: fields.timeout_ms,
                headers: fields.headers,
            }),
            "send" => ClientFrame::Send { call: fields.call, payload: fields.payload },
            "cancel" => ClientFrame::Cancel { call: fields.call },
            "credit" => ClientFrame::Credit { call: fields.call, messages: fields.messages },
            "auth" => ClientFrame::Auth { token: fields.token.unwrap_or_default() },
            "ack" => ClientFrame::Ack { received: fields.received },
            "ping" => ClientFrame::Ping,
            _ => ClientFrame::HalfClose { call: fields.call },
        })
    }

    fn fields(&mut self, allowed: &[&str]) -> Result<Fields> {
        let mut fields = Fields::default();
        self.text.expect(b'{', "what a frame says is an object")?;
        if self.text.take(b'}') {
            return Ok(fields);
        }
        loop {
            let key = self.text.key()?;
            let name = if key == "timeout_ms" { "timeoutMs" } else { &*key };
            if !allowed.contains(&name) {
                return Err(bad(format!("This frame has no field `{}`.", shortened(name))));
            }
            self.field(name, &mut fields)?;
            if !self.text.take(b',') {
                self.text.expect(b'}', "`,` or `}` is due")?;
                return Ok(fields);
            }
        }
    }

    fn field(&mut self, name: &str, fields: &mut Fields) -> Result<()> {
        if name == "json" {
            // Of a google.protobuf.Value, null is a value.
            self.text.peek();
            let start = self.text.at();
            self.text.skip()?;
            let json = Payload::Json(self.source.slice(start..self.text.at()));
            return set_payload(fields, json);
        }
        if self.text.peek() == Some(b'n') {
            return Ok(self.text.word("null")?);
        }
        match name {
            "call" => fields.call = self.number(name)?,
            "messages" => fields.messages = self.number(name)?,
            "received" => fields.received = self.number(name)?,
            "credit" => fields.credit = self.number(name)?,
            "timeoutMs" => fields.timeout_ms = self.number(name)?,
            "method" => fields.method = self.string(name)?,
            "cursor" => fields.cursor = self.string(name)?,
            "session" => fields.session = self.string(name)?,
            "traceparent" => fields.traceparent = self.string(name)?,
            "token" => fields.token = Some(self.string(name)?),
            "ticket" => fields.ticket = Some(self.string(name)?),
            "encoding" => fields.encoding = self.encoding()?,
            "headers" => fields.headers = self.headers()?,
            _ => {
                let text = self.string(name)?;
                let proto = STANDARD.decode(normal(&text)).map_err(|_| bad("`proto` is not base64."))?;
                set_payload(fields, Payload::Proto(proto.into()))?;
            }
        }
        Ok(())
    }

    /// Numbers may be strings (protobuf.dev, "ProtoJSON Format").
    fn number(&mut self, name: &str) -> Result<u32> {
        let text = match self.text.peek() {
            Some(b'"') => self.text.string()?,
            _ => self.text.number()?.into(),
        };
        let whole = || text.parse::<f64>().ok().filter(|number| number.fract() == 0.0);
        let number = text.parse().ok().or_else(|| {
            let number = whole().filter(|number| (0.0..=f64::from(u32::MAX)).contains(number))?;
            Some(number as u32)
        });
        number.ok_or_else(|| bad(format!("`{name}` must be a whole number from 0 to {}.", u32::MAX)))
    }

    fn string(&mut self, name: &str) -> Result<String> {
        if self.text.peek() != Some(b'"') {
            return Err(bad(format!("`{name}` must be a string.")));
        }
        Ok(self.text.string()?.into_owned())
    }

    fn headers(&mut self) -> Result<BTreeMap<String, String>> {
        let mut headers = BTreeMap::new();
        self.text.expect(b'{', "`headers` is an object")?;
        if self.text.take(b'}') {
            return Ok(headers);
        }
        loop {
            let name = self.text.key()?.into_owned();
            let value = self.string("headers")?;
            if headers.insert(name, value).is_some() {
                return Err(bad("`headers` has a name twice."));
            }
            if !self.text.take(b',') {
                self.text.expect(b'}', "`,` or `}` is due")?;
                return Ok(headers);
            }
        }
    }

    fn encoding(&mut self) -> Result<Option<Encoding>> {
        let text = match self.text.peek() {
            Some(b'"') => self.text.string()?,
            _ => self.text.number()?.into(),
        };
        match &*text {
            "ENCODING_UNSPECIFIED" | "0" => Ok(None),
            "ENCODING_JSON" | "1" => Ok(Some(Encoding::Json)),
            "ENCODING_PROTO" | "2" => Ok(Some(Encoding::Proto)),
            _ => Err(bad("`encoding` must be ENCODING_JSON or ENCODING_PROTO.")),
        }
    }
}

fn hello(fields: Fields) -> Result<Hello> {
    let Fields { token, ticket, session, received, traceparent, .. } = fields;
    let credential = match (token, ticket) {
        (Some(_), Some(_)) => return Err(bad("`token` and `ticket` are given; one is enough.")),
        (Some(token), None) => Some(Credential::Token(token)),
        (None, ticket) => ticket.map(Credential::Ticket),
    };
    Ok(Hello { credential, session, received, traceparent })
}

fn set_payload(fields: &mut Fields, payload: Payload) -> Result<()> {
    match fields.payload.replace(payload) {
        None => Ok(()),
        Some(_) => Err(bad("A frame has one payload.")),
    }
}

/// Both alphabets are read (protobuf.dev, "ProtoJSON Format").
fn normal(text: &str) -> String {
    text.chars()
        .map(|letter| {
            if letter == '-' {
                '+'
            } else if letter == '_' {
                '/'
            } else {
                letter
            }
        })
        .collect()
}

fn shortened(name: &str) -> String {
    name.chars().take(64).collect()
}

fn bad(message: impl Into<String>) -> Violation {
    Violation::protocol(message)
}

impl From<Syntax> for Violation {
    fn from(syntax: Syntax) -> Self {
        Self::protocol(format!("The frame is no JSON at byte {}: {}.", syntax.at, syntax.problem))
    }
}
