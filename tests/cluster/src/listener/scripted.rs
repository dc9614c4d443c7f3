//! A server that does what a test says and remembers every byte it received.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::background::Background;
use super::http_server::listen;
use super::reply::{Reply, on_the_wire};
use super::tls;
use crate::certificates::ServerCertificate;

/// One request, complete.
#[derive(Clone, Debug)]
pub struct ReceivedRequest {
    /// Number of the request at this server, from 1.
    pub number: usize,
    /// Its method.
    pub method: Method,
    /// Path and query, as sent.
    pub target: String,
    /// Its headers, credentials included.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

/// Data that a server has received so far.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// Connections accepted, whether or not anything came of them.
    pub connections: usize,
    /// Of those, the ones whose TLS handshake failed, for instance because the client doesn't trust the certificate.
    pub failed_handshakes: usize,
    /// Every byte received after TLS, of all connections, in the order of arrival; half a request too.
    pub bytes: Vec<u8>,
    /// Every complete request.
    pub requests: Vec<ReceivedRequest>,
}

impl Record {
    /// True if these bytes occur in what was received, in any case of letters: header names are not case-sensitive.
    pub fn contains(&self, needle: &str) -> bool {
        self.bytes
            .windows(needle.len().max(1))
            .any(|window| window.eq_ignore_ascii_case(needle.as_bytes()))
    }
}

/// A running server; ends when dropped, with the connections that hang.
#[derive(Debug)]
pub struct ScriptedServer {
    address: SocketAddr,
    record: Arc<Mutex<Record>>,
    _background: Background,
}

struct Script {
    record: Arc<Mutex<Record>>,
    reply: Box<dyn Fn(&ReceivedRequest) -> Reply + Send + Sync>,
}

impl ScriptedServer {
    /// Starts a TLS server with this certificate, or a plain one, on a free loopback port. `reply` answers each
    /// request; the connection stays open after a proper response, as clients with a pool expect.
    pub fn start(
        certificate: Option<&ServerCertificate>,
        reply: impl Fn(&ReceivedRequest) -> Reply + Send + Sync + 'static,
    ) -> Result<Self> {
        let tls = certificate.map(tls::server).transpose()?.map(TlsAcceptor::from);
        let record = Arc::<Mutex<Record>>::default();
        let script = Arc::new(Script {
            record: Arc::clone(&record),
            reply: Box::new(reply),
        });
        let (listener, address) = listen()?;
        let background = Background::start("scripted server", move || serve(listener, tls, script))?;
        Ok(Self {
            address,
            record,
            _background: background,
        })
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Data that it has received so far.
    pub fn record(&self) -> Record {
        lock(&self.record).clone()
    }
}

/// Answers the first `failures` requests with `failure` and the rest with `reply`.
pub fn flaky(
    failures: usize,
    failure: Reply,
    reply: impl Fn(&ReceivedRequest) -> Reply + Send + Sync + 'static,
) -> impl Fn(&ReceivedRequest) -> Reply + Send + Sync + 'static {
    move |request| {
        if request.number <= failures {
            failure.clone()
        } else {
            reply(request)
        }
    }
}

fn lock(record: &Mutex<Record>) -> MutexGuard<'_, Record> {
    record.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, script: Arc<Script>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
        return;
    };
    while let Ok((stream, _)) = listener.accept().await {
        lock(&script.record).connections += 1;
        let (tls, script) = (tls.clone(), Arc::clone(&script));
        tokio::spawn(async move {
            // The client has broken off or sent no HTTP; what came is in the record.
            let _ = connection(stream, tls, &script).await;
        });
    }
}

async fn connection(stream: TcpStream, tls: Option<TlsAcceptor>, script: &Script) -> Result<()> {
    stream.set_nodelay(true)?;
    let stream = stream.into_std()?;
    let control = stream.try_clone()?;
    let stream = TcpStream::from_std(stream)?;
    match tls {
        None => requests(stream, script, &control).await,
        Some(tls) => match tls.accept(stream).await {
            Ok(stream) => requests(stream, script, &control).await,
            Err(error) => {
                lock(&script.record).failed_handshakes += 1;
                Err(error.into())
            }
        },
    }
}

async fn requests(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    script: &Script,
    control: &std::net::TcpStream,
) -> Result<()> {
    let mut unread = Vec::new();
    while let Some(request) = receive(&mut stream, &mut unread, &script.record).await? {
        let to_head = request.method == Method::HEAD;
        match (script.reply)(&request) {
            Reply::Respond(response) => stream.write_all(&on_the_wire(&response, to_head)).await?,
            Reply::Raw(bytes) => {
                stream.write_all(&bytes).await?;
                break;
            }
            Reply::Truncate(response, length) => {
                let bytes = on_the_wire(&response, to_head);
                stream.write_all(bytes.get(..length).unwrap_or(&bytes)).await?;
                break;
            }
            Reply::Drip {
                response,
                piece,
                pause,
            } => {
                for piece in on_the_wire(&response, to_head).chunks(piece.max(1)) {
                    stream.write_all(piece).await?;
                    stream.flush().await?;
                    tokio::time::sleep(pause).await;
                }
            }
            Reply::Hang => std::future::pending().await,
            Reply::Close => break,
            Reply::Reset => {
                SockRef::from(control).set_linger(Some(Duration::ZERO))?;
                return Ok(());
            }
        }
        stream.flush().await?;
    }
    Ok(stream.shutdown().await?)
}

/// The next request of a connection, or `None` where the client has closed it.
async fn receive(
    stream: &mut (impl AsyncRead + Unpin),
    unread: &mut Vec<u8>,
    record: &Mutex<Record>,
) -> Result<Option<ReceivedRequest>> {
    loop {
        if let Some((length, mut request)) = parse(unread)? {
            unread.drain(..length);
            let mut record = lock(record);
            request.number = record.requests.len() + 1;
            record.requests.push(request.clone());
            return Ok(Some(request));
        }
        let mut buffer = [0; 8192];
        let count = stream.read(&mut buffer).await?;
        let received = buffer.get(..count).unwrap_or_default();
        if received.is_empty() {
            return Ok(None);
        }
        lock(record).bytes.extend_from_slice(received);
        unread.extend_from_slice(received);
    }
}

/// How long the head of the first request in `bytes` is, or `None` where it isn't complete.
pub(super) fn head_length(bytes: &[u8]) -> Result<Option<usize>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let status = httparse::Request::new(&mut headers)
        .parse(bytes)
        .context("not an HTTP request")?;
    Ok(match status {
        httparse::Status::Complete(length) => Some(length),
        httparse::Status::Partial => None,
    })
}

/// The first request in `bytes` and how long it is, or `None` where it isn't complete.
pub(super) fn parse(bytes: &[u8]) -> Result<Option<(usize, ReceivedRequest)>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(head_length) = head.parse(bytes).context("not an HTTP request")? else {
        return Ok(None);
    };
    let mut headers = HeaderMap::new();
    for header in head.headers.iter() {
        headers.append(
            HeaderName::from_bytes(header.name.as_bytes())?,
            HeaderValue::from_bytes(header.value)?,
        );
    }
    let body_length = match headers.get(http::header::CONTENT_LENGTH) {
        Some(length) => length.to_str()?.parse()?,
        None => 0,
    };
    let end = head_length + body_length;
    let Some(body) = bytes.get(head_length..end) else {
        return Ok(None);
    };
    Ok(Some((
        end,
        ReceivedRequest {
            number: 0,
            method: Method::from_bytes(head.method.unwrap_or_default().as_bytes())?,
            target: head.path.unwrap_or_default().to_owned(),
            headers,
            body: Bytes::copy_from_slice(body),
        },
    )))
}
