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
    /// Where the system gives no thread.
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
    while let Ok((mut client, _)) = listener.accept().await {
        tokio::spawn(async move {
            // Either end may break off; the other one sees it itself.
            if let Ok(mut server) = TcpStream::connect(target).await {
                let _ = copy_bidirectional(&mut client, &mut server).await;
            }
        });
    }
}
