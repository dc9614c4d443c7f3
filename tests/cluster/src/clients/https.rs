//! A client that connects to one server under its name in the cluster, at its real address, like curl's `--connect-to`.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use anyhow::{Context, Result};
use bytes::Bytes;
use http::header::HOST;
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::listener::background::wait_for;
use crate::listener::tls;
use crate::registry::Host;

/// A client of one server. It sends requests unchanged and follows no redirects.
#[derive(Clone, Debug)]
pub struct HttpsClient {
    name: String,
    address: SocketAddr,
    tls: Arc<ClientConfig>,
}

impl HttpsClient {
    /// A client of `host`, which must have a certificate of the CA `ca` (PEM) for that name.
    pub fn new(host: &Host, ca: &str) -> Result<Self> {
        Ok(Self {
            name: host.name.clone(),
            address: host.address,
            tls: Arc::new(tls::client(ca)?),
        })
    }

    /// The answer to one request, on a connection of its own. The Host header is the server's name.
    pub fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>> {
        wait_for(self.exchange(request))?.with_context(|| format!("no answer from {}", self.name))
    }

    /// As `send`, on the caller's runtime.
    pub async fn exchange(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>> {
        let host = self
            .name
            .rsplit_once(':')
            .map_or(self.name.as_str(), |(host, _)| host);
        let stream = TcpStream::connect(self.address).await?;
        let stream = TlsConnector::from(Arc::clone(&self.tls))
            .connect(ServerName::try_from(host.to_owned())?, stream)
            .await?;
        request
            .headers_mut()
            .insert(HOST, HeaderValue::from_str(&self.name)?);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let mut exchange = pin!(async {
            let (head, body) = sender.send_request(request.map(Full::new)).await?.into_parts();
            let body = body.collect().await?.to_bytes();
            Ok(Response::from_parts(head, body))
        });
        tokio::select! {
            answer = &mut exchange => answer,
            // It drives the exchange. If the server closes the connection, the data before may be the whole response.
            outcome = connection => {
                outcome?;
                exchange.await
            }
        }
    }
}
