//! Passes connections on to another address, byte for byte.

use std::net::{SocketAddr, TcpListener};

use anyhow::{Context as _, Result};
use tokio::{io::copy_bidirectional, net::TcpStream};

use super::background::Background;

/// Something that listens and passes on; ends when dropped, with the connections through it.
#[derive(Debug)]
pub struct Forwarder {
    _background: Background,
}

impl Forwarder {
    /// Passes on what `listener` accepts, and what waits there already, to `target`.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(listener: TcpListener, target: SocketAddr) -> Result<Self> {
        listener
            .set_nonblocking(true)
            .context("cannot prepare a listener")?;
        let background = Background::start(&format!("to {target}"), move || forward(listener, target))
            .with_context(|| format!("cannot forward to {target}"))?;
        Ok(Self {
            _background: background,
        })
    }
}

async fn forward(listener: TcpListener, target: SocketAddr) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
        return;
    };
    while let Ok((client, _)) = listener.accept().await {
        tokio::spawn(async move {
            // Either end may break off; the other one sees it itself.
            let _ = pass_on(client, target).await;
        });
    }
}

async fn pass_on(mut client: TcpStream, target: SocketAddr) -> std::io::Result<()> {
    let mut server = TcpStream::connect(target).await?;
    // Data is forwarded at once: it must not wait for the acknowledgement of earlier data.
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    copy_bidirectional(&mut client, &mut server).await.map(drop)
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::{Ipv4Addr, TcpStream},
        sync::mpsc,
        time::{Duration, Instant},
    };

    use super::*;

    /// Number of pairs of bytes, each with a response.
    const PAIRS: u32 = 50;
    /// Linux acknowledges after 40 ms what nothing is sent back for (`TCP_DELACK_MIN`): a byte that waited for that would
    /// be so late.
    const ACKNOWLEDGED: Duration = Duration::from_millis(40);

    #[test]
    fn forwarder_sends_without_delay() -> Result<()> {
        let [front, back] = [(); 2].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
        let (front, back) = (front?, back?);
        let address = front.local_addr()?;
        let _forwarder = Forwarder::start(front, back.local_addr()?)?;
        let mut client = TcpStream::connect(address)?;
        client.set_nodelay(true)?;
        let (mut server, _) = back.accept()?;
        let (arrived, arrival) = mpsc::channel();
        let reader = std::thread::spawn(move || {
            let mut byte = [0];
            for answers in [false, true].into_iter().cycle() {
                if server.read_exact(&mut byte).is_err() || arrived.send(()).is_err() {
                    break;
                }
                // The responder delays its acknowledgement, to send it with its response: that of a pair's first byte.
                if answers && server.write_all(&byte).is_err() {
                    break;
                }
            }
        });

        let begun = Instant::now();
        for _ in 0..PAIRS {
            for _ in 0..2 {
                client.write_all(b"x")?;
                arrival.recv_timeout(Duration::from_secs(10))?;
            }
            client.read_exact(&mut [0])?;
        }
        let took = begun.elapsed();

        drop(client);
        reader.join().expect("the reader ends with the connection");
        assert!(took < ACKNOWLEDGED * PAIRS / 2, "{took:?}");
        Ok(())
    }
}
