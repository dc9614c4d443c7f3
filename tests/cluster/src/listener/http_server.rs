//! An HTTP/1.1 server on a free loopback port, with TLS or without.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use super::background::Background;
use super::upstream::Body;

/// The first byte of a connection that begins with a handshake record (RFC 8446, section 5.1).
const TLS_HANDSHAKE: [u8; 1] = [22];

/// The answer is a reset of the connection (RST), not an orderly close.
#[derive(Debug)]
pub struct Reset;

impl std::fmt::Display for Reset {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("the connection is reset instead of an answer")
    }
}

impl std::error::Error for Reset {}

/// Result of a [`Handler`].
pub type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Reset>> + Send>>;

/// Answers the requests of one server.
pub trait Handler: Send + Sync + 'static {
    /// The answer to one request.
    fn answer(self: Arc<Self>, request: Request<Incoming>) -> Answer;
}

/// A running server; ends when dropped.
#[derive(Debug)]
pub struct HttpServer {
    address: SocketAddr,
    _background: Background,
}

impl HttpServer {
    /// Starts a server called `name` that answers with `handler`, over TLS where `tls` is given. The port is open when
    /// this returns.
    pub fn start(name: &str, tls: Option<Arc<ServerConfig>>, handler: Arc<impl Handler>) -> Result<Self> {
        let (listener, address) = listen()?;
        let background =
            Background::start(name, move || serve(listener, tls.map(TlsAcceptor::from), handler))
                .with_context(|| format!("cannot start {name}"))?;
        Ok(Self {
            address,
            _background: background,
        })
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// A listener on a free loopback port, ready for a runtime.
pub(super) fn listen() -> Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot listen on loopback")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, handler: Arc<impl Handler>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
        return;
    };
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, or a connection that ended while it waited: the next one may work.
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        };
        let (tls, handler) = (tls.clone(), Arc::clone(&handler));
        tokio::spawn(async move {
            // A client that breaks off its connection, or speaks no HTTP, sees it itself.
            let _ = connection(stream, tls, handler).await;
        });
    }
}

async fn connection(stream: TcpStream, tls: Option<TlsAcceptor>, handler: Arc<impl Handler>) -> Result<()> {
    stream.set_nodelay(true)?;
    // Linger belongs to the socket: this second handle can still set it when the first is inside the TLS stream.
    let stream = stream.into_std()?;
    let control = stream.try_clone()?;
    let mut stream = TcpStream::from_std(stream)?;
    let Some(tls) = tls else {
        return requests(stream, handler, &control).await;
    };
    let mut first = [0];
    stream.peek(&mut first).await?;
    if first != TLS_HANDSHAKE {
        // Text of Go's net/http in the same situation.
        let answer = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
        stream.write_all(answer).await?;
        return Ok(stream.shutdown().await?);
    }
    requests(tls.accept(stream).await?, handler, &control).await
}

async fn requests(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    handler: Arc<impl Handler>,
    control: &std::net::TcpStream,
) -> Result<()> {
    let service = service_fn(|request| Arc::clone(&handler).answer(request));
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service);
    let outcome = (&mut connection).await;
    if let Err(error) = &outcome
        && std::error::Error::source(error).is_some_and(|source| source.is::<Reset>())
    {
        SockRef::from(control).set_linger(Some(Duration::ZERO))?;
    }
    drop(connection);
    Ok(outcome?)
}
