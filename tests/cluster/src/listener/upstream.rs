//! The server behind a gateway or proxy.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::header::{CONNECTION, HOST, HeaderName, TRANSFER_ENCODING, UPGRADE};
use http::uri::{Authority, Scheme};
use http::{HeaderMap, HeaderValue, Request, Response, Uri};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::TokioExecutor;
use tower_service::Service;

use super::tls;

/// A body of any origin: made here or streamed from the server behind.
pub type Body = BoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// A body that is all there.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed()
}

/// A body that is passed on while it arrives.
pub fn streamed(body: Incoming) -> Body {
    body.map_err(Into::into).boxed()
}

/// A client of one server, at one address: it never looks a name up.
#[derive(Clone, Debug)]
pub struct Upstream {
    scheme: Scheme,
    authority: Authority,
    host: HeaderValue,
    client: Client<HttpsConnector<HttpConnector<FixedAddress>>, Body>,
}

/// In place of DNS.
#[derive(Clone, Copy, Debug)]
struct FixedAddress(SocketAddr);

impl Upstream {
    /// A client of the server at `url`, whose host is an address and whose path is ignored. It trusts the CAs in `ca`
    /// (PEM; `None` for plain http). With `reuse` false each request gets its own connection.
    pub fn new(url: &str, ca: Option<&str>, reuse: bool) -> Result<Self> {
        let parts = url
            .parse::<Uri>()
            .with_context(|| format!("not a URL: {url:?}"))?
            .into_parts();
        let scheme = parts.scheme.with_context(|| format!("no scheme in {url:?}"))?;
        let authority = parts.authority.with_context(|| format!("no host in {url:?}"))?;
        let address = authority
            .as_str()
            .parse()
            .with_context(|| format!("no address and port in {url:?}"))?;
        let host = HeaderValue::from_str(authority.as_str())?;
        Self::at(address, scheme, authority, host, ca, reuse)
    }

    /// A client of the TLS server `name` (`host:port`) at `address`. Its certificate must be of a CA in `ca` (PEM) and
    /// for the host.
    pub fn named(name: &str, address: SocketAddr, ca: &str) -> Result<Self> {
        // A port in the URI would outrank the address's.
        let dns_name = name.rsplit_once(':').map_or(name, |(host, _)| host);
        let authority = dns_name
            .parse()
            .with_context(|| format!("not a host name: {dns_name:?}"))?;
        let host = HeaderValue::from_str(name)?;
        Self::at(address, Scheme::HTTPS, authority, host, Some(ca), true)
    }

    fn at(
        address: SocketAddr,
        scheme: Scheme,
        authority: Authority,
        host: HeaderValue,
        ca: Option<&str>,
        reuse: bool,
    ) -> Result<Self> {
        let mut plain = HttpConnector::new_with_resolver(FixedAddress(address));
        plain.enforce_http(false);
        plain.set_nodelay(true);
        plain.set_connect_timeout(Some(Duration::from_secs(10)));
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(tls::client(ca.unwrap_or_default())?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(plain);
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(if reuse { 16 } else { 0 })
            .build(connector);
        Ok(Self {
            scheme,
            authority,
            host,
            client,
        })
    }

    /// Sends `request` to the server, whatever host its URI has; its Host header is kept.
    pub async fn send(&self, mut request: Request<Body>) -> Result<Response<Incoming>> {
        let mut uri = std::mem::take(request.uri_mut()).into_parts();
        uri.scheme = Some(self.scheme.clone());
        uri.authority = Some(self.authority.clone());
        *request.uri_mut() = Uri::from_parts(uri)?;
        drop_connection_headers(request.headers_mut());
        if !request.headers().contains_key(HOST) {
            request.headers_mut().insert(HOST, self.host.clone());
        }
        let mut response = self
            .client
            .request(request)
            .await
            .with_context(|| format!("no answer from {:?}", self.host))?;
        drop_connection_headers(response.headers_mut());
        Ok(response)
    }
}

impl Service<Name> for FixedAddress {
    type Response = std::iter::Once<SocketAddr>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Name) -> Self::Future {
        std::future::ready(Ok(std::iter::once(self.0)))
    }
}

/// Removes what concerns one connection only (RFC 9110, section 7.6.1): each side of a proxy has its own.
fn drop_connection_headers(headers: &mut HeaderMap) {
    const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
    for name in [CONNECTION, KEEP_ALIVE, TRANSFER_ENCODING, UPGRADE] {
        headers.remove(name);
    }
}
