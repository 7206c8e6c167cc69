//! The shop before which tokens are checked: it issues them, revokes them, and can be cut off.

use std::sync::{Arc, LazyLock, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::StreamBody;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use lastmile_edge::schema::descriptors;
use lastmile_edge::upstream::Upstream;
use lastmile_proto::edge::v1::watch_revocations_response::Target;
use lastmile_proto::edge::v1::{GetJwksResponse, WatchRevocationsResponse};
use prost::Message;
use prost_types::FileDescriptorProto;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::body::Body;
use tonic::{Code, Status};

use crate::backend::Backend;
use crate::shop::compile;
use crate::site::Site;

type Frames = mpsc::UnboundedSender<Result<Frame<Bytes>, Status>>;

/// The shop with EdgeIdentityService; whoever likes may read one note and one stream.
pub(crate) static DESCRIPTORS: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut text = include_str!("shop.proto").to_owned();
    for method in [
        "rpc GetNote(GetNoteRequest) returns (Note) {",
        "rpc Tick(WatchRequest) returns (stream WatchResponse) {",
    ] {
        let public = format!("{method} option (lastmile.edge.v1.auth) = {{ public: true }};");
        assert!(text.contains(method), "{method}");
        text = text.replace(method, &public);
    }
    let name = |file: &Bytes| FileDescriptorProto::decode(file.clone()).expect("a file").name().to_owned();
    let mut files = compile(&text);
    for file in descriptors::split_set(lastmile_proto::EDGE_DESCRIPTORS).expect("our own files") {
        if !files.iter().any(|other| name(other) == name(&file)) {
            files.push(file);
        }
    }
    descriptors::join_set(files).to_vec()
});

/// A handle to it.
#[derive(Clone)]
pub(crate) struct Issuer(Arc<Inner>);

struct Inner {
    key: EncodingKey,
    jwks: String,
    revoked: Mutex<Revoked>,
    /// How often the revocations were asked for.
    asked: watch::Sender<usize>,
}

#[derive(Default)]
struct Revoked {
    in_force: Vec<WatchRevocationsResponse>,
    streams: Vec<Frames>,
    is_away: bool,
}

impl Issuer {
    pub(crate) fn new() -> Self {
        let pair = Ed25519KeyPair::generate().expect("a key pair");
        let der = pair.to_pkcs8v1().expect("PKCS #8").as_ref().to_vec();
        let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        let key = json!({ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": "a", "x": x });
        Self(Arc::new(Inner {
            key: EncodingKey::from_ed_der(&der),
            jwks: json!({ "keys": [key] }).to_string(),
            revoked: Mutex::default(),
            asked: watch::Sender::new(0),
        }))
    }

    /// An edge before the shop, which checks the tokens of this issuer.
    pub(crate) async fn site(&self, settings: Value, backend: &Backend) -> Site {
        Site::of(settings, self.upstream(backend), &DESCRIPTORS).await
    }

    /// A token of a subject that is good for a while.
    pub(crate) fn token(&self, subject: &str, id: &str) -> String {
        self.token_until(subject, id, 600)
    }

    /// The same, good for these seconds from now on.
    pub(crate) fn token_until(&self, subject: &str, id: &str, seconds: i64) -> String {
        self.token_with(subject, id, seconds, &json!({}))
    }

    /// The same with these claims too.
    pub(crate) fn token_with(&self, subject: &str, id: &str, seconds: i64, more: &Value) -> String {
        let now = now();
        let mut claims =
            json!({ "iss": "shop", "sub": subject, "jti": id, "iat": now, "exp": now + seconds });
        claims.as_object_mut().expect("claims").extend(more.as_object().expect("claims").clone());
        let header = Header { kid: Some("a".into()), ..Header::new(Algorithm::EdDSA) };
        encode(&header, &claims, &self.0.key).expect("a token")
    }

    /// Revokes a token, and tells whoever listens.
    pub(crate) fn revoke(&self, id: &str) {
        self.tell(Target::TokenId(id.into()));
    }

    /// Revokes the tokens that a subject has.
    pub(crate) fn revoke_subject(&self, subject: &str) {
        self.tell(Target::Subject(subject.into()));
    }

    fn tell(&self, target: Target) {
        let at = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
        let revocation = WatchRevocationsResponse {
            target: Some(target),
            time: at(now()),
            expire_time: at(now() + 900),
            access_changed: false,
        };
        let mut revoked = self.0.revoked.lock().expect("no panic");
        revoked.streams.retain(|stream| stream.send(Ok(data(&revocation))).is_ok());
        revoked.in_force.push(revocation);
    }

    /// Ends the streams of revocations as a slow reader's, and answers no more until it is back.
    pub(crate) fn go_away(&self) {
        let mut revoked = self.0.revoked.lock().expect("no panic");
        revoked.is_away = true;
        for stream in revoked.streams.drain(..) {
            let _ = stream.send(Ok(trailers(&Status::unavailable("FELL_BEHIND"))));
        }
    }

    pub(crate) fn come_back(&self) {
        self.0.revoked.lock().expect("no panic").is_away = false;
    }

    /// Waits until the revocations have been asked for so often.
    pub(crate) async fn asked(&self, times: usize) {
        let mut asked = self.0.asked.subscribe();
        crate::host::soon("a listener", asked.wait_for(|asked| *asked >= times)).await.expect("it lives");
    }

    pub(crate) fn upstream(&self, backend: &Backend) -> Upstream {
        let (issuer, backend) = (self.clone(), backend.clone());
        Upstream::from_service(tower::service_fn(move |request: Request<Body>| {
            let (issuer, backend) = (issuer.clone(), backend.clone());
            async move {
                Ok::<_, Status>(match request.uri().path() {
                    "/lastmile.edge.v1.EdgeIdentityService/GetJwks" => issuer.keys(),
                    "/lastmile.edge.v1.EdgeIdentityService/WatchRevocations" => issuer.watch(),
                    _ => backend.respond(request).await,
                })
            }
        }))
    }

    fn keys(&self) -> Response<Body> {
        let jwks = self.0.jwks.clone();
        let answer = GetJwksResponse { jwks, issuer: "shop".into(), ..GetJwksResponse::default() };
        answered(&[data(&answer), trailers(&Status::new(Code::Ok, ""))]).1
    }

    fn watch(&self) -> Response<Body> {
        self.0.asked.send_modify(|asked| *asked += 1);
        let mut revoked = self.0.revoked.lock().expect("no panic");
        if revoked.is_away {
            return Status::unavailable("away").into_http();
        }
        let done = WatchRevocationsResponse::default();
        let first: Vec<_> = revoked.in_force.iter().chain([&done]).map(data).collect();
        let (frames, response) = answered(&first);
        revoked.streams.push(frames);
        response
    }
}

fn answered(first: &[Frame<Bytes>]) -> (Frames, Response<Body>) {
    let (frames, receiver) = mpsc::unbounded_channel();
    for frame in first {
        let copy = match (frame.data_ref(), frame.trailers_ref()) {
            (Some(data), _) => Frame::data(data.clone()),
            (None, trailers) => Frame::trailers(trailers.cloned().unwrap_or_default()),
        };
        frames.send(Ok(copy)).expect("a reader");
    }
    let mut response = Response::new(Body::new(StreamBody::new(UnboundedReceiverStream::new(receiver))));
    response.headers_mut().insert("content-type", "application/grpc".parse().expect("a header"));
    (frames, response)
}

fn data(message: &impl Message) -> Frame<Bytes> {
    let encoded = message.encode_to_vec();
    Frame::data([&[0][..], &(encoded.len() as u32).to_be_bytes(), &encoded].concat().into())
}

fn trailers(status: &Status) -> Frame<Bytes> {
    let mut headers = HeaderMap::new();
    status.add_header(&mut headers).expect("a status that can be a header");
    Frame::trailers(headers)
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs() as i64
}
