//! A TCP proxy that does to each connection what its script says, until it is told to be calm.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::fault::{Fault, Script};
use crate::seed::Seed;
use crate::tally::Tally;

/// Bytes read at once.
const PIECE: usize = 32 * 1024;

/// Bytes that the system keeps for a proxy that does not read.
const BUFFER: u32 = 8 * 1024;

/// A proxy in front of one address.
#[derive(Debug)]
pub(crate) struct FaultProxy {
    address: SocketAddr,
    calm: watch::Sender<bool>,
}

/// How a connection is taken from both sides.
enum Ending {
    Close,
    Reset,
}

impl FaultProxy {
    /// Starts on a free port in front of `target`.
    pub(crate) async fn start(target: SocketAddr, seed: Seed, mean_bytes: u64, tally: Tally) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let calm = watch::Sender::new(false);
        let calmed = calm.subscribe();
        tokio::spawn(async move {
            let mut number = 0;
            while let Ok((client, _)) = listener.accept().await {
                number += 1;
                let script = Script::new(seed, number, mean_bytes);
                tokio::spawn(pass_on(client, target, script, calmed.clone(), tally.clone()));
            }
        });
        Self { address, calm }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Does no more harm, and takes away connections that nothing passes on any more.
    pub(crate) fn calm(&self) {
        self.calm.send_replace(true);
    }
}

async fn pass_on(
    mut client: TcpStream,
    target: SocketAddr,
    script: Script,
    calm: watch::Receiver<bool>,
    tally: Tally,
) {
    // What the proxy cannot reach is away for the client too.
    let Ok(mut server) = connect(target).await else { return };
    tally.count("connections");
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let ending = carry(&mut client, &mut server, script, calm, &tally).await;
    if matches!(ending, Ok(Ending::Reset)) {
        let _ = (client.set_zero_linger(), server.set_zero_linger());
    }
}

/// With a small buffer, so that the server feels at once when its client does not read.
async fn connect(target: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(BUFFER)?;
    socket.connect(target).await
}

async fn carry(
    client: &mut TcpStream,
    server: &mut TcpStream,
    script: Script,
    calm: watch::Receiver<bool>,
    tally: &Tally,
) -> io::Result<Ending> {
    let (mut from_client, to_client) = client.split();
    let (mut from_server, to_server) = server.split();
    let mut down = Down { to_client, to_server, script, calm, tally, safe: 0, fault: None, slow: Slow::Not };
    let (mut up_piece, mut down_piece) = (vec![0; PIECE], vec![0; PIECE]);
    let mut client_sends = true;
    loop {
        tokio::select! {
            read = from_client.read(&mut up_piece), if client_sends => match read? {
                0 => {
                    client_sends = false;
                    down.to_server.shutdown().await?;
                }
                // After a half-close to the server there is nowhere to write to.
                count => _ = down.to_server.write_all(&up_piece[..count]).await,
            },
            read = from_server.read(&mut down_piece) => match read? {
                0 => return Ok(Ending::Close),
                count => match down.send(&down_piece[..count]).await? {
                    None => {}
                    Some(Fault::HalfCloseToClient) => {
                        down.to_client.shutdown().await?;
                        return drain(&mut from_client, &mut from_server).await;
                    }
                    Some(Fault::Cut) => return Ok(Ending::Close),
                    Some(_) => return Ok(Ending::Reset),
                },
            },
        }
    }
}

/// The client has seen the end: the server sends in vain until the client leaves too.
async fn drain(from_client: &mut ReadHalf<'_>, from_server: &mut ReadHalf<'_>) -> io::Result<Ending> {
    let (mut up, mut down) = ([0; 1024], vec![0; PIECE]);
    let left = async {
        loop {
            tokio::select! {
                read = from_client.read(&mut up) => if read.unwrap_or(0) == 0 { return },
                read = from_server.read(&mut down) => if read.unwrap_or(0) == 0 { return },
            }
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(5), left).await;
    Ok(Ending::Close)
}

/// How the next bytes go.
enum Slow {
    Not,
    Late { each: Duration, pieces: u32 },
    Split { bytes: u64 },
}

/// The way to the client.
struct Down<'a> {
    to_client: WriteHalf<'a>,
    to_server: WriteHalf<'a>,
    script: Script,
    calm: watch::Receiver<bool>,
    tally: &'a Tally,
    /// Bytes that pass before the next fault.
    safe: u64,
    fault: Option<Fault>,
    slow: Slow,
}

impl Down<'_> {
    /// Sends the bytes, with what the script has for them; tells a fault that ends the connection.
    async fn send(&mut self, mut bytes: &[u8]) -> io::Result<Option<Fault>> {
        while !bytes.is_empty() {
            if *self.calm.borrow() {
                self.to_client.write_all(bytes).await?;
                return Ok(None);
            }
            if self.safe == 0 {
                if let Some(fault) = self.fault.take()
                    && self.commit(fault).await
                {
                    return Ok(Some(fault));
                }
                let (safe, fault) = self.script.next();
                (self.safe, self.fault) = (safe + 1, Some(fault));
            }
            let safe = bytes.len().min(usize::try_from(self.safe).unwrap_or(usize::MAX));
            let sent = self.send_some(&bytes[..safe]).await?;
            self.safe -= sent as u64;
            bytes = &bytes[sent..];
        }
        Ok(None)
    }

    async fn send_some(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut count = bytes.len();
        match &mut self.slow {
            Slow::Not => {}
            Slow::Late { pieces: 0, .. } | Slow::Split { bytes: 0 } => self.slow = Slow::Not,
            Slow::Late { each, pieces } => {
                *pieces -= 1;
                let each = *each;
                self.wait(each).await;
            }
            Slow::Split { bytes } => {
                count = count.min(3);
                *bytes = bytes.saturating_sub(3);
                tokio::task::yield_now().await;
            }
        }
        self.to_client.write_all(&bytes[..count]).await?;
        Ok(count)
    }

    /// Does what can be done here; whether the connection is over.
    async fn commit(&mut self, fault: Fault) -> bool {
        self.tally.count(fault.name());
        match fault {
            Fault::Cut | Fault::Reset | Fault::HalfCloseToClient => return true,
            Fault::HalfCloseToServer => _ = self.to_server.shutdown().await,
            Fault::Stall(time) | Fault::Coalesce(time) => self.wait(time).await,
            Fault::Silence => {
                let _ = self.calm.wait_for(|calm| *calm).await;
                return true;
            }
            Fault::Delay { each, pieces } => self.slow = Slow::Late { each, pieces },
            Fault::Split { bytes } => self.slow = Slow::Split { bytes },
        }
        false
    }

    async fn wait(&mut self, time: Duration) {
        tokio::select! {
            () = sleep(time) => {}
            _ = self.calm.wait_for(|calm| *calm) => {}
        }
    }
}
