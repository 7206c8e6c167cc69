//! Lines of text between the bench and the processes that it starts.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use lastmile_tests::Process;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;

/// Nothing that is measured takes longer.
const LIMIT: Duration = Duration::from_secs(90);

/// The bench's end.
pub(crate) struct Control {
    lines: Lines<BufReader<OwnedReadHalf>>,
    writer: OwnedWriteHalf,
}

impl Control {
    /// Finds the process by the address that it printed.
    pub(crate) async fn of(process: &mut Process) -> Self {
        let address = address(process, "control").await;
        let stream = tokio::net::TcpStream::connect(address).await.expect("it listens");
        stream.set_nodelay(true).expect("a socket");
        let (reader, writer) = stream.into_split();
        Self { lines: BufReader::new(reader).lines(), writer }
    }

    /// Sends lines in one write.
    pub(crate) async fn tell(&mut self, lines: &str) {
        self.writer.write_all(format!("{lines}\n").as_bytes()).await.expect("the process lives");
    }

    /// The next line.
    pub(crate) async fn hear(&mut self) -> String {
        let line = timeout(LIMIT, self.lines.next_line()).await.expect("an answer in time");
        line.expect("the process lives").expect("the process lives")
    }
}

/// The process's end: waits for the bench.
pub(crate) fn accept() -> TcpStream {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    announce("control", listener.local_addr().expect("it is bound"));
    let (stream, _) = listener.accept().expect("the bench connects");
    stream.set_nodelay(true).expect("a socket");
    stream
}

#[expect(clippy::print_stdout, reason = "the bench reads the address there")]
pub(crate) fn announce(name: &str, address: SocketAddr) {
    println!("{name} {address}");
}

/// An address that the process announced.
pub(crate) async fn address(process: &mut Process, name: &str) -> SocketAddr {
    let prefix = format!("{name} ");
    process.line(name, |line| line.as_str()?.strip_prefix(&prefix)?.parse().ok()).await
}
