//! The server that a gateway or proxy stands in front of.

use std::time::Duration;

use anyhow::{Context, Result};
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
use hyper_util::rt::TokioExecutor;

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

/// A client of one server.
#[derive(Clone, Debug)]
pub struct Upstream {
    scheme: Scheme,
    authority: Authority,
    client: Client<HttpsConnector<HttpConnector>, Body>,
}

impl Upstream {
    /// A client of the server at `url` (scheme, host and port; the rest is ignored), which trusts the authorities in
    /// `ca` (PEM; `None` for plain http). With `reuse` false each request gets a connection of its own.
    pub fn new(url: &str, ca: Option<&str>, reuse: bool) -> Result<Self> {
        let parts = url
            .parse::<Uri>()
            .with_context(|| format!("not a URL: {url:?}"))?
            .into_parts();
        let scheme = parts.scheme.with_context(|| format!("no scheme in {url:?}"))?;
        let authority = parts.authority.with_context(|| format!("no host in {url:?}"))?;
        let mut plain = HttpConnector::new();
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
            client,
        })
    }

    /// Sends `request` to the server, whatever host its URI names; its Host header stays, where it has one.
    pub async fn send(&self, mut request: Request<Body>) -> Result<Response<Incoming>> {
        let mut uri = std::mem::take(request.uri_mut()).into_parts();
        uri.scheme = Some(self.scheme.clone());
        uri.authority = Some(self.authority.clone());
        *request.uri_mut() = Uri::from_parts(uri)?;
        drop_connection_headers(request.headers_mut());
        if !request.headers().contains_key(HOST) {
            let host = HeaderValue::from_str(self.authority.as_str())?;
            request.headers_mut().insert(HOST, host);
        }
        let mut response = self
            .client
            .request(request)
            .await
            .with_context(|| format!("no answer from {}", self.authority))?;
        drop_connection_headers(response.headers_mut());
        Ok(response)
    }
}

/// Removes what concerns one connection only (RFC 9110, section 7.6.1): each side of a proxy has its own.
fn drop_connection_headers(headers: &mut HeaderMap) {
    const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
    for name in [CONNECTION, KEEP_ALIVE, TRANSFER_ENCODING, UPGRADE] {
        headers.remove(name);
    }
}
