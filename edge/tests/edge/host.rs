//! A backend's process on a real socket: it can be killed, drained, and know how often it was reached.

use std::convert::Infallible;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::StreamBody;
use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use lastmile_edge::schema::descriptors::join_set;
use lastmile_edge::upstream::{Call, Names};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::body::Body;
use tower::{ServiceExt, service_fn};

use crate::backend::Backend;
use crate::shop::compile;

pub(crate) type Answer =
    Arc<dyn Fn(Request<Body>) -> Pin<Box<dyn Future<Output = Response<Body>> + Send>> + Send + Sync>;

/// One process; dropping it kills it.
pub(crate) struct Host {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
    drain: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Host {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Host {
    pub(crate) async fn of(backend: &Backend) -> Self {
        Self::at((Ipv4Addr::LOCALHOST, 0).into(), scripted(backend)).await
    }

    pub(crate) async fn at(address: SocketAddr, answer: Answer) -> Self {
        let listener = TcpListener::bind(address).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (connections, drain) = (Arc::new(AtomicUsize::new(0)), CancellationToken::new());
        let task = tokio::spawn(accept(listener, answer, Arc::clone(&connections), drain.clone()));
        Self { address, connections, drain, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Connections so far.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Sockets close in the middle of everything.
    pub(crate) async fn kill(mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }

    /// Accepts no more, says GOAWAY, and lets calls end.
    pub(crate) async fn drain(mut self) {
        self.drain.cancel();
        soon("the end of a drained host", &mut self.task).await.expect("no panic");
    }
}

async fn accept(listener: TcpListener, answer: Answer, count: Arc<AtomicUsize>, drain: CancellationToken) {
    // Dropped with this task, and all connections with it.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted.expect("a connection");
                count.fetch_add(1, Ordering::SeqCst);
                connections.spawn(serve(stream, Arc::clone(&answer), drain.clone()));
            }
            () = drain.cancelled() => break,
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Answers the calls of one connection.
pub(crate) async fn serve<S>(stream: S, answer: Answer, drain: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let service = service_fn(move |request: Request<hyper::body::Incoming>| {
        let answer = answer(request.map(Body::new));
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let service = hyper_util::service::TowerToHyperService::new(service);
    let connection =
        http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        () = drain.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// What a scripted backend does.
pub(crate) fn scripted(backend: &Backend) -> Answer {
    let backend = backend.clone();
    Arc::new(move |request| {
        let backend = backend.clone();
        Box::pin(async move { backend.respond(request).await })
    })
}

/// The proto text that a backend tells by reflection, and may change.
#[derive(Clone, Default)]
pub(crate) struct Told(Arc<Mutex<String>>);

impl Told {
    pub(crate) fn new(text: &str) -> Self {
        Self(Arc::new(Mutex::new(text.to_owned())))
    }

    pub(crate) fn change(&self, text: &str) {
        text.clone_into(&mut self.0.lock().expect("no panic"));
    }

    fn set(&self) -> Bytes {
        join_set(compile(&self.0.lock().expect("no panic")))
    }
}

/// Tells of itself by reflection, and leaves all other calls to `answer`.
pub(crate) fn reflecting(told: &Told, answer: Answer) -> Answer {
    let told = told.clone();
    Arc::new(move |request| {
        if !request.uri().path().starts_with("/grpc.reflection.v1.") {
            return answer(request);
        }
        let set = told.set();
        let server = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(&set)
            .build_v1()
            .expect("readable descriptors");
        Box::pin(async move { server.oneshot(request).await.expect("an answer") })
    })
}

/// Answers each call with this message.
pub(crate) fn saying(message: &'static [u8]) -> Answer {
    Arc::new(move |_| {
        let data = [&[0, 0, 0, 0, message.len() as u8][..], message].concat();
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        let frames = [Frame::data(Bytes::from(data)), Frame::trailers(trailers)].map(Ok::<_, Status>);
        let mut response = Response::new(Body::new(StreamBody::new(tokio_stream::iter(frames))));
        response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
        Box::pin(async move { response })
    })
}

/// A name service that a test decides.
#[derive(Clone, Default)]
pub(crate) struct Zone(Arc<Mutex<Vec<SocketAddr>>>);

impl Zone {
    pub(crate) fn set(&self, addresses: &[SocketAddr]) {
        *self.0.lock().expect("no panic") = addresses.to_vec();
    }

    /// A name without addresses is not found.
    pub(crate) fn names(&self) -> Names {
        let zone = self.clone();
        let lookup = move |_: &str, _| {
            let addresses = zone.0.lock().expect("no panic").clone();
            let found =
                if addresses.is_empty() { Err(std::io::ErrorKind::NotFound.into()) } else { Ok(addresses) };
            Box::pin(async move { found }) as lastmile_edge::upstream::resolve::Addresses
        };
        Names::new(lookup, Duration::from_millis(20))
    }
}

pub(crate) fn call(path: &'static str) -> Call {
    Call {
        path: http::uri::PathAndQuery::from_static(path),
        metadata: HeaderMap::new(),
        deadline: None,
        plan: None,
        max_message: 1 << 20,
    }
}

pub(crate) async fn soon<T>(what: &str, work: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), work).await.unwrap_or_else(|_| panic!("{what} does not come"))
}

/// Asks until it is so.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let wait = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    soon(what, wait).await;
}

/// Another loopback address of the same port.
pub(crate) fn beside(address: SocketAddr, last: u8) -> SocketAddr {
    (IpAddr::from([127, 0, 0, last]), address.port()).into()
}
