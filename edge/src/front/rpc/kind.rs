//! What a request speaks, decided once by its head.

use http::{HeaderMap, Method, Request, header};

/// How messages are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    Proto,
    Json,
}

/// What a request speaks, when it is not REST.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Grpc,
    /// `text` is base64.
    GrpcWeb {
        text: bool,
    },
    ConnectUnary(Codec),
    /// The message is in the query, which names its codec.
    ConnectGet,
    ConnectStream(Codec),
    /// Connect with a content type that it does not have.
    ConnectUnknown,
}

impl Kind {
    /// `None` is REST.
    pub fn of<B>(request: &Request<B>) -> Option<Self> {
        let media = media_type(request.headers());
        if let Some(codec) = media.strip_prefix("application/connect+") {
            return Some(Codec::named(codec).map_or(Self::ConnectUnknown, Self::ConnectStream));
        }
        // A codec of the backend's own, such as `+json`, is for the backend.
        match media.split('+').next().unwrap_or_default() {
            "application/grpc-web-text" => return Some(Self::GrpcWeb { text: true }),
            "application/grpc-web" => return Some(Self::GrpcWeb { text: false }),
            "application/grpc" => return Some(Self::Grpc),
            _ => {}
        }
        let is_connect = request.headers().contains_key("connect-protocol-version");
        match (request.method(), media.as_str()) {
            (&Method::GET, _) => {
                asks_connect(request.uri().query().unwrap_or_default()).then_some(Self::ConnectGet)
            }
            (_, "application/proto") => Some(Self::ConnectUnary(Codec::Proto)),
            (_, "application/json") if is_connect => Some(Self::ConnectUnary(Codec::Json)),
            _ => is_connect.then_some(Self::ConnectUnknown),
        }
    }

    /// Whether nothing but a call of a method can look like this, whatever its path.
    pub fn is_unmistakable(self) -> bool {
        matches!(self, Self::Grpc | Self::GrpcWeb { .. } | Self::ConnectStream(_))
    }
}

impl Codec {
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "proto" => Some(Self::Proto),
            "json" => Some(Self::Json),
            _ => None,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Proto => "proto",
            Self::Json => "json",
        }
    }
}

/// The media type without its parameters, in lower case.
pub fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn asks_connect(query: &str) -> bool {
    query.split('&').any(|pair| pair == "connect=v1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_told_by_content_type_header_and_query() {
        let web = |text| Some(Kind::GrpcWeb { text });
        let unary = |codec| Some(Kind::ConnectUnary(codec));
        let stream = |codec| Some(Kind::ConnectStream(codec));
        for (method, target, content_type, connect, expected) in [
            ("POST", "/a.B/C", "application/grpc", false, Some(Kind::Grpc)),
            ("POST", "/a.B/C", "application/grpc+proto", false, Some(Kind::Grpc)),
            ("POST", "/a.B/C", "application/grpc-web+proto; charset=utf-8", false, web(false)),
            ("POST", "/a.B/C", "Application/GRPC-Web", false, web(false)),
            ("POST", "/a.B/C", "application/grpc-web-text", false, web(true)),
            ("POST", "/a.B/C", "application/grpc-web-text+proto", false, web(true)),
            ("POST", "/a.B/C", "application/grpc-webby", false, None),
            ("POST", "/a.B/C", "application/proto", false, unary(Codec::Proto)),
            ("POST", "/a.B/C", "application/json; charset=utf-8", true, unary(Codec::Json)),
            ("POST", "/a.B/C", "application/json", false, None),
            ("POST", "/a.B/C", "text/plain", true, Some(Kind::ConnectUnknown)),
            ("POST", "/a.B/C", "application/connect+json", false, stream(Codec::Json)),
            ("POST", "/a.B/C", "application/connect+proto", true, stream(Codec::Proto)),
            ("POST", "/a.B/C", "application/connect+xml", true, Some(Kind::ConnectUnknown)),
            ("GET", "/a.B/C?encoding=json&connect=v1&message=", "", false, Some(Kind::ConnectGet)),
            ("GET", "/a.B/C?encoding=json&message=connect=v1", "", false, None),
            ("GET", "/a.B/C", "", true, None),
        ] {
            let mut request = Request::builder().method(method).uri(target);
            if !content_type.is_empty() {
                request = request.header("content-type", content_type);
            }
            if connect {
                request = request.header("connect-protocol-version", "1");
            }
            assert_eq!(Kind::of(&request.body(()).unwrap()), expected, "{method} {target} {content_type}");
        }
    }
}
