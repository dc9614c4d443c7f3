//! A relay below TLS that counts what goes through it.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result};
use test_cluster::listener::background::Background;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    sync::watch,
};

/// How long connections may take to end after their client has.
const PATIENCE: Duration = Duration::from_secs(20);

/// A relay to one server; ends when dropped.
pub struct Relay {
    address: SocketAddr,
    counts: Arc<Counts>,
    open: watch::Receiver<usize>,
    _background: Background,
}

/// What went through a relay: TLS records, handshakes included, without the headers of TCP and IP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Connections.
    pub connections: u64,
    /// Bytes from the client.
    pub sent: u64,
    /// Bytes to the client.
    pub received: u64,
}

#[derive(Default)]
struct Counts {
    connections: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
}

impl Traffic {
    /// Both together.
    pub fn plus(self, other: Self) -> Self {
        Self {
            connections: self.connections + other.connections,
            sent: self.sent + other.sent,
            received: self.received + other.received,
        }
    }
}

impl Relay {
    /// Starts a relay to `server`.
    ///
    /// # Errors
    /// Where no loopback port is free.
    pub fn start(server: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot listen on loopback")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let counts = Arc::<Counts>::default();
        let (sender, open) = watch::channel(0);
        let counted = Arc::clone(&counts);
        let background =
            Background::start("counting relay", move || serve(listener, server, counted, sender))
                .context("cannot start a relay")?;
        Ok(Self {
            address,
            counts,
            open,
            _background: background,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// All that went through, once every connection has ended.
    ///
    /// # Errors
    /// Where one doesn't end.
    pub async fn traffic(&self) -> Result<Traffic> {
        let mut open = self.open.clone();
        tokio::time::timeout(PATIENCE, open.wait_for(|open| *open == 0))
            .await
            .context("a connection through the relay did not end")?
            .context("the relay has ended")?;
        let read = |count: &AtomicU64| count.load(Ordering::SeqCst);
        Ok(Traffic {
            connections: read(&self.counts.connections),
            sent: read(&self.counts.sent),
            received: read(&self.counts.received),
        })
    }
}

async fn serve(listener: TcpListener, server: SocketAddr, counts: Arc<Counts>, open: watch::Sender<usize>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
        return;
    };
    let open = Arc::new(open);
    while let Ok((client, _)) = listener.accept().await {
        counts.connections.fetch_add(1, Ordering::SeqCst);
        open.send_modify(|open| *open += 1);
        let (counts, open) = (Arc::clone(&counts), Arc::clone(&open));
        tokio::spawn(async move {
            // Either end may break off; the contender sees it itself.
            let _ = relay(client, server, &counts).await;
            open.send_modify(|open| *open -= 1);
        });
    }
}

async fn relay(client: TcpStream, server: SocketAddr, counts: &Counts) -> std::io::Result<()> {
    let server = TcpStream::connect(server).await?;
    for stream in [&client, &server] {
        stream.set_nodelay(true)?;
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let (there, back) = tokio::join!(
        pump(from_client, to_server, &counts.sent),
        pump(from_server, to_client, &counts.received)
    );
    there.and(back)
}

/// Passes on until the end, and then the end.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    count: &AtomicU64,
) -> std::io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let length = from.read(&mut buffer).await?;
        let bytes = buffer.get(..length).unwrap_or_default();
        if bytes.is_empty() {
            return to.shutdown().await;
        }
        // A usize of a buffer's length fits.
        count.fetch_add(u64::try_from(length).unwrap_or(u64::MAX), Ordering::SeqCst);
        to.write_all(bytes).await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn both_directions_are_counted_when_the_connection_has_ended() -> Result<()> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let relay = Relay::start(listener.local_addr()?)?;
        let mut client = TcpStream::connect(relay.address()).await?;
        let (mut server, _) = listener.accept().await?;
        client.write_all(b"question").await?;
        client.shutdown().await?;
        let mut question = Vec::new();
        server.read_to_end(&mut question).await?;
        server.write_all(b"yes").await?;
        drop(server);
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await?;
        assert_eq!(
            (question.as_slice(), answer.as_slice()),
            (&b"question"[..], &b"yes"[..])
        );
        assert_eq!(
            relay.traffic().await?,
            Traffic {
                connections: 1,
                sent: 8,
                received: 3
            }
        );
        Ok(())
    }
}
