//! A TCP balancer: each new connection goes to the next server that lives.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpSocket, TcpStream};

/// As many may ask to be let in at once.
const BACKLOG: u32 = 4096;

/// Passes connections on, in turn.
#[derive(Debug)]
pub struct Balancer {
    address: SocketAddr,
    servers: Arc<Servers>,
}

#[derive(Debug)]
struct Servers {
    addresses: Vec<SocketAddr>,
    living: Vec<AtomicBool>,
    turn: AtomicUsize,
}

impl Balancer {
    /// Starts on a free port in front of servers that live.
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn start(addresses: Vec<SocketAddr>) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(([127, 0, 0, 1], 0).into()).expect("a free port");
        let listener = socket.listen(BACKLOG).expect("bound");
        let address = listener.local_addr().expect("bound");
        let living = addresses.iter().map(|_| AtomicBool::new(true)).collect();
        let servers = Arc::new(Servers { addresses, living, turn: AtomicUsize::new(0) });
        let passing = Arc::clone(&servers);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let servers = Arc::clone(&passing);
                tokio::spawn(async move { servers.pass_on(client).await });
            }
        });
        Self { address, servers }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether new connections go to a server.
    pub fn set_living(&self, server: usize, living: bool) {
        self.servers.living[server].store(living, Ordering::Relaxed);
    }
}

impl Servers {
    /// To the next server that takes the connection; who drains takes none.
    async fn pass_on(&self, mut client: TcpStream) {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        for step in 0..self.addresses.len() {
            let next = (turn + step) % self.addresses.len();
            if self.living[next].load(Ordering::Relaxed)
                && let Ok(mut server) = TcpStream::connect(self.addresses[next]).await
            {
                let _ = (client.set_nodelay(true), server.set_nodelay(true));
                let _ = copy_bidirectional(&mut client, &mut server).await;
                return;
            }
        }
    }
}
