//! The client: one connection for each server, one request after the other, no output.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use http::{Request, header::HOST};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    body::Bytes,
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject as _},
    },
};

use crate::{Exchange, Recording, Server, learned::Learned};

type Connection = SendRequest<Full<Bytes>>;

/// Sends all of it.
///
/// # Errors
/// If a server can't be reached, or responds with another status than in the recording.
pub async fn replay(recording: &Recording) -> Result<()> {
    let mut connections: Vec<Option<Connection>> = recording.servers.iter().map(|_| None).collect();
    let mut learned = Learned::default();
    for exchange in &recording.exchanges {
        let server = recording
            .servers
            .get(exchange.server)
            .context("the recording lacks a server")?;
        let connection = connections
            .get_mut(exchange.server)
            .context("the recording lacks a server")?;
        if connection.is_none() {
            *connection = Some(
                connect(server)
                    .await
                    .with_context(|| format!("cannot connect to {}", server.name))?,
            );
        }
        let connection = connection.as_mut().context("it was just made")?;
        send(connection, exchange, server, &recording.username, &mut learned)
            .await
            .with_context(|| format!("{} {}", exchange.method, exchange.target))?;
    }
    Ok(())
}

async fn connect(server: &Server) -> Result<Connection> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(server.authority.as_bytes()) {
        roots.add(certificate.context("cannot read the authority's certificate")?)?;
    }
    let mut tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    let host = server
        .name
        .rsplit_once(':')
        .map_or(server.name.as_str(), |(host, _)| host);
    let host = ServerName::try_from(host.to_owned())?;
    let tcp = TcpStream::connect(server.address).await?;
    tcp.set_nodelay(true)?;
    let stream = TlsConnector::from(Arc::new(tls)).connect(host, tcp).await?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // It ends with the sender, which reports errors.
    tokio::spawn(connection);
    Ok(sender)
}

async fn send(
    connection: &mut Connection,
    exchange: &Exchange,
    server: &Server,
    username: &str,
    learned: &mut Learned,
) -> Result<()> {
    let mut request = Request::builder()
        .method(exchange.method.as_str())
        .uri(&exchange.target)
        .header(HOST, &server.name);
    for (name, value) in &exchange.headers {
        request = request.header(name, learned.header(value, username)?);
    }
    let request = request.body(Full::from(learned.fill(&exchange.body)?))?;
    connection.ready().await?;
    let answer = connection.send_request(request).await?;
    let status = answer.status();
    let body = answer.into_body().collect().await?.to_bytes();
    ensure!(
        status.as_u16() == exchange.status,
        "answered {status}, recorded was {}",
        exchange.status
    );
    learned.learn(&body);
    Ok(())
}
