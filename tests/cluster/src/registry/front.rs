//! TLS and a request log in front of a distribution with its own authentication.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use serde_json::Value;

use super::basic::basic_credentials;
use super::request_log::RequestLog;
use super::token_service::{self, TokenService};
use crate::certificates::ServerCertificate;
use crate::listener::http_server::{Answer, Handler, HttpServer};
use crate::listener::tls;
use crate::listener::upstream::{Body, Upstream, full, streamed};

/// A running front; ends when dropped.
#[derive(Debug)]
pub(super) struct Front {
    server: HttpServer,
}

struct Registry {
    distribution: Upstream,
    token_service: Option<Arc<TokenService>>,
    log: Arc<RequestLog>,
}

impl Front {
    /// Starts a front of the distribution at `distribution`. Where a token service is given, it answers on the same
    /// host.
    pub(super) fn start(
        name: &str,
        distribution: SocketAddr,
        token_service: Option<Arc<TokenService>>,
        certificate: &ServerCertificate,
        log: Arc<RequestLog>,
    ) -> Result<Self> {
        let registry = Registry {
            distribution: Upstream::new(&format!("http://{distribution}"), None, true)?,
            token_service,
            log,
        };
        let server = HttpServer::start(name, Some(tls::server(certificate)?), Arc::new(registry))?;
        Ok(Self { server })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.server.address()
    }
}

impl Handler for Registry {
    fn answer(self: Arc<Self>, request: Request<Incoming>) -> Answer {
        Box::pin(async move {
            if let Some(service) = &self.token_service
                && request.uri().path() == token_service::PATH
            {
                return Ok(TokenService::answer(service, &request.into_parts().0));
            }
            Ok(self.forward(request).await)
        })
    }
}

impl Registry {
    async fn forward(&self, request: Request<Incoming>) -> Response<Body> {
        const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
        let (method, headers) = (request.method().clone(), request.headers().clone());
        let path = request.uri().path().to_owned();
        let mut request = request.map(streamed);
        request
            .headers_mut()
            .insert(FORWARDED_PROTO, HeaderValue::from_static("https"));
        let response = self.distribution.send(request).await.map_or_else(
            |_| {
                let mut response = Response::new(full(""));
                *response.status_mut() = StatusCode::BAD_GATEWAY;
                response
            },
            |response| response.map(streamed),
        );
        let user = match response.status() {
            StatusCode::UNAUTHORIZED | StatusCode::BAD_GATEWAY => None,
            _ => user_of(&headers),
        };
        self.log.append(&method, &path, &headers, response.status(), user);
        response
    }
}

/// Account of a request that distribution has accepted: it has checked password and signature.
fn user_of(headers: &HeaderMap) -> Option<String> {
    if let Some((name, _)) = basic_credentials(headers) {
        return Some(name);
    }
    let token = headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .strip_prefix("Bearer ")?;
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims = serde_json::from_slice::<Value>(&claims).ok()?;
    let subject = claims.get("sub")?.as_str()?;
    (!subject.is_empty()).then(|| subject.to_owned())
}
