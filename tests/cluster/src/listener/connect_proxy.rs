//! A CONNECT proxy that brings clients to in-cluster names without root, /etc/hosts or DNS.
//!
//! It connects only to configured targets: nothing that goes through it leaves loopback.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::TcpStream;

use super::background::Background;
use super::http_server::listen;

/// Longest head of a request; the clients are curl, Go, skopeo and hyper.
const HEAD_LIMIT: u64 = 16 * 1024;

/// A running proxy; ends when dropped, with the connections through it.
#[derive(Debug)]
pub struct ConnectProxy {
    address: SocketAddr,
    targets: Arc<Mutex<Vec<String>>>,
    _background: Background,
}

impl ConnectProxy {
    /// Starts a proxy that connects `host:port` to the address beside it, and refuses every other target with 502.
    pub fn start(routes: impl IntoIterator<Item = (String, SocketAddr)>) -> Result<Self> {
        let routes = Arc::new(routes.into_iter().collect::<HashMap<_, _>>());
        let targets = Arc::<Mutex<Vec<String>>>::default();
        let (listener, address) = listen()?;
        let recorded = Arc::clone(&targets);
        let background = Background::start("CONNECT proxy", move || serve(listener, routes, recorded))?;
        Ok(Self {
            address,
            targets,
            _background: background,
        })
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The value for `HTTPS_PROXY`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every requested `host:port` so far, refused ones too, in order.
    pub fn targets(&self) -> Vec<String> {
        lock(&self.targets).clone()
    }
}

fn lock(targets: &Mutex<Vec<String>>) -> MutexGuard<'_, Vec<String>> {
    targets.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(
    listener: TcpListener,
    routes: Arc<HashMap<String, SocketAddr>>,
    targets: Arc<Mutex<Vec<String>>>,
) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
        return;
    };
    while let Ok((stream, _)) = listener.accept().await {
        let (routes, targets) = (Arc::clone(&routes), Arc::clone(&targets));
        tokio::spawn(async move {
            // Either end may break off; the client sees it itself.
            let _ = tunnel(stream, &routes, &targets).await;
        });
    }
}

async fn tunnel(
    mut client: TcpStream,
    routes: &HashMap<String, SocketAddr>,
    targets: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let head = head(&mut client).await?;
    let mut words = head.split_ascii_whitespace();
    let (Some("CONNECT"), Some(target)) = (words.next(), words.next()) else {
        return client
            .write_all(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n")
            .await;
    };
    lock(targets).push(target.to_owned());
    let Some(address) = routes.get(target) else {
        return client
            .write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
            .await;
    };
    let Ok(mut server) = TcpStream::connect(address).await else {
        return client
            .write_all(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
            .await;
    };
    client
        .write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
        .await?;
    copy_bidirectional(&mut client, &mut server).await.map(|_| ())
}

/// Reads up to the empty line and not a byte further: what follows belongs to the server.
async fn head(client: &mut TcpStream) -> std::io::Result<String> {
    let mut head = Vec::new();
    let mut limited = client.take(HEAD_LIMIT);
    while !head.ends_with(b"\r\n\r\n") {
        head.push(limited.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}
