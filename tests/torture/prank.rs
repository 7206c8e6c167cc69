//! A proxy that plays a trick on SSE, so that it is seen whether the checker notices.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What is done to every tenth event of a connection, or to its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Prank {
    /// An event is left out.
    Drop,
    /// An event comes twice.
    Repeat,
    /// An event comes after the next one.
    Swap,
    /// An event has the cursor of the one before, so that a client that resumes gets it again.
    OldCursor,
    /// The stream ends after the event, and the edge never hears of the cursor when the client resumes.
    Forget,
    /// The stream ends after the event, and a gap is told when the client resumes.
    ClaimGap,
}

/// Events between two pranks.
const EVERY: usize = 10;

/// Whether pranks are over: nobody would notice that the last event of all was left out.
pub(crate) type Over = Arc<AtomicBool>;

/// Starts a proxy in front of `target` that plays this prank until it is told that this is over.
pub(crate) async fn play(prank: Prank, target: SocketAddr, over: &Over) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let (address, over) = (listener.local_addr().expect("bound"), Arc::clone(over));
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(pass_on(prank, client, target, Arc::clone(&over)));
        }
    });
    address
}

async fn pass_on(prank: Prank, client: TcpStream, target: SocketAddr, over: Over) -> io::Result<()> {
    let server = TcpStream::connect(target).await?;
    let (from_client, mut to_client) = client.into_split();
    let (from_server, mut to_server) = server.into_split();
    let (mut from_client, mut from_server) = (BufReader::new(from_client), BufReader::new(from_server));
    let mut request = read_head(&mut from_client).await?;
    if prank == Prank::Forget {
        request = request.replace("last-event-id:", "x-forgotten:").replace("cursor=", "heartbeat=");
        request = without_repeated_heartbeat(&request);
    }
    // One request a connection, or the next one would pass unseen.
    let request = request.replacen("\r\n", "\r\nconnection: close\r\n", 1);
    to_server.write_all(request.as_bytes()).await?;
    let uploading = tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_server).await });
    let head = read_head(&mut from_server).await?;
    to_client.write_all(head.as_bytes()).await?;
    let sent = if head.contains("text/event-stream") && head.contains("chunked") {
        trick(prank, from_server, &mut to_client, &over).await
    } else {
        tokio::io::copy(&mut from_server, &mut to_client).await.map(drop)
    };
    uploading.abort();
    sent
}

/// The cursor of the URL becomes a heartbeat; two of them would be refused.
fn without_repeated_heartbeat(request: &str) -> String {
    match request.split_once("&heartbeat=lm1.") {
        Some((before, after)) => {
            let rest = after.find(['&', ' ']).map_or("", |end| &after[end..]);
            format!("{before}{rest}")
        }
        None => request.to_owned(),
    }
}

async fn read_head(from: &mut (impl AsyncBufReadExt + Unpin)) -> io::Result<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if from.read_line(&mut head).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(head)
}

/// Passes the blocks of a stream on, but for the pranks.
async fn trick(
    prank: Prank,
    mut from: impl AsyncBufReadExt + Unpin,
    to: &mut (impl AsyncWriteExt + Unpin),
    over: &Over,
) -> io::Result<()> {
    let (mut text, mut events, mut kept, mut last_id) = (String::new(), 0, None::<String>, String::new());
    while let Some(chunk) = read_chunk(&mut from).await? {
        text.push_str(&chunk);
        while let Some(end) = text.find("\n\n") {
            let mut block: String = text.drain(..end + 2).collect();
            if block.contains("event: torture") {
                events += 1;
                let id =
                    block.lines().find_map(|line| line.strip_prefix("id: ")).unwrap_or_default().to_owned();
                let now = events % EVERY == 0 && !over.load(Ordering::Relaxed);
                match prank {
                    Prank::Drop if now => continue,
                    Prank::Repeat if now => write_chunk(to, &block).await?,
                    Prank::Swap if now => {
                        kept = Some(block);
                        continue;
                    }
                    Prank::OldCursor if now => block = block.replacen(&id, &last_id, 1),
                    Prank::Forget | Prank::ClaimGap if now => {
                        write_chunk(to, &block).await?;
                        return write_chunk(to, "").await;
                    }
                    _ => {}
                }
                last_id = id;
            }
            if prank == Prank::ClaimGap {
                block = block.replace("\"RESUMED\"", "\"GAP\",\"reason\":\"expired\"");
            }
            write_chunk(to, &block).await?;
            if let Some(late) = kept.take() {
                write_chunk(to, &late).await?;
            }
        }
    }
    write_chunk(to, "").await
}

async fn read_chunk(from: &mut (impl AsyncBufReadExt + Unpin)) -> io::Result<Option<String>> {
    let mut size = String::new();
    from.read_line(&mut size).await?;
    let size = usize::from_str_radix(size.trim(), 16).map_err(|_| io::ErrorKind::InvalidData)?;
    let mut bytes = vec![0; size + 2];
    from.read_exact(&mut bytes).await?;
    let text = String::from_utf8_lossy(&bytes[..size]).into_owned();
    Ok((size > 0).then_some(text))
}

async fn write_chunk(to: &mut (impl AsyncWriteExt + Unpin), text: &str) -> io::Result<()> {
    to.write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes()).await?;
    to.flush().await
}
