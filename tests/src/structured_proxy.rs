//! structured-proxy, the nearest rival, where `make bench` could install it.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::process::Process;

/// Starts it in front of a backend, with its own defaults; `None` where it is not installed.
pub async fn structured_proxy(upstream: &str) -> Option<(Process, SocketAddr)> {
    let program =
        PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/rivals/bin/structured-proxy"));
    if !program.is_file() {
        return None;
    }
    // It does not tell which port it has got.
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let http = free.local_addr().expect("it is bound");
    drop(free);
    let file =
        |kind: &str| std::env::temp_dir().join(format!("lastmile-bench-{}.{kind}", std::process::id()));
    let (descriptors, config) = (file("rival.binpb"), file("rival.yaml"));
    std::fs::write(&descriptors, lastmile_proto::DESCRIPTORS).expect("a temporary file");
    let text = format!(
        "upstream:\n  default: http://{upstream}\nlisten:\n  http: {http}\ndescriptors:\n  - file: {}\nservice:\n  \
         name: bench\n",
        descriptors.display()
    );
    std::fs::write(&config, text).expect("a temporary file");
    let process = Process::start(program, ["--config".as_ref(), config.as_os_str()], &[("RUST_LOG", "warn")]);
    let begun = Instant::now();
    while TcpStream::connect(http).await.is_err() {
        assert!(begun.elapsed() < Duration::from_secs(10), "structured-proxy does not listen");
        sleep(Duration::from_millis(20)).await;
    }
    Some((process, http))
}
