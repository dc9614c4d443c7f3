//! One HTTPS exchange: a request and its whole answer, limited in length and time.
//!
//! Two clients are built from here, with root stores that never mix: the API server's (`ca.crt` alone, no proxy) and
//! the registries'. https only; redirects are not followed.

pub mod deadline;
mod dialer;
mod error;
pub mod retry;
pub mod roots;

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header::InvalidHeaderValue};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use tokio::time::Instant;
use tower::{Service, ServiceExt, service_fn, util::BoxCloneSyncService};

pub use self::{
    dialer::{ConnectTo, Dialer},
    error::Failure,
};

/// Time limit of one attempt, from dialling to the answer's last byte.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

/// Sent with every request, to the API server and to registries.
pub const USER_AGENT: &str = concat!("ensure-pull-secret/", env!("CARGO_PKG_VERSION"));

/// An `Authorization` header, which is never printed.
///
/// # Errors
/// The credential has characters that a header can't contain.
pub fn authorization(scheme: &str, credential: &str) -> Result<HeaderValue, InvalidHeaderValue> {
    let mut header = HeaderValue::try_from(format!("{scheme} {credential}"))?;
    header.set_sensitive(true);
    Ok(header)
}

/// A request with its whole body.
pub type HttpRequest = Request<Full<Bytes>>;

/// An HTTPS client with one root store and one dialer.
#[derive(Clone)]
pub struct Https {
    service: BoxCloneSyncService<HttpRequest, Answer, Failure>,
}

/// A whole answer. Its body is never printed.
pub struct Answer {
    /// Status code.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// The body, at most as long as the client's limit.
    pub body: Bytes,
}

impl Https {
    /// A client that trusts what `tls` trusts; answers longer than `answer_limit` bytes are a [`Failure::TooLong`].
    pub fn new(tls: rustls::ClientConfig, dialer: Dialer, answer_limit: usize) -> Self {
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_only()
            .enable_http1()
            .wrap_connector(dialer);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .build(connector);
        Self::from_service(service_fn(move |request| {
            let client = client.clone();
            async move {
                let response = client
                    .request(request)
                    .await
                    .map_err(|error| Failure::of(&error))?;
                read(response, answer_limit).await
            }
        }))
    }

    /// A client whose answers come from `service`: in tests, a script instead of a server.
    pub fn from_service<S>(service: S) -> Self
    where
        S: Service<HttpRequest, Response = Answer, Error = Failure> + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
    {
        Self {
            service: BoxCloneSyncService::new(service),
        }
    }

    /// Sends `request` and reads the whole answer, in at most [`REQUEST_TIMEOUT`] and not past `until`.
    ///
    /// # Errors
    /// How the exchange failed below HTTP; an answer of any status is not an error.
    pub async fn exchange(&self, request: HttpRequest, until: Instant) -> Result<Answer, Failure> {
        let limit = until.min(Instant::now() + REQUEST_TIMEOUT);
        tokio::time::timeout_at(limit, self.service.clone().oneshot(request))
            .await
            .unwrap_or(Err(Failure::TimedOut))
    }
}

async fn read(response: Response<Incoming>, limit: usize) -> Result<Answer, Failure> {
    let (parts, body) = response.into_parts();
    let body = Limited::new(body, limit)
        .collect()
        .await
        .map_err(|error| Failure::of(error.as_ref()))?
        .to_bytes();
    Ok(Answer {
        status: parts.status,
        headers: parts.headers,
        body,
    })
}
