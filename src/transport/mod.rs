//! One HTTPS exchange: a request and its whole answer, limited in length and time.
//!
//! Two clients are built from here, with root stores that never mix: the API server's (`ca.crt` alone, no proxy) and
//! the registries'. https only; redirects are not followed.

mod certificate;
pub mod deadline;
mod dialer;
mod error;
pub mod retry;
pub mod roots;
mod tunnel;
mod verifier;

use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header::InvalidHeaderValue};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body, Bytes, Incoming};
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use tokio::time::Instant;
use tower::{Service, ServiceExt, service_fn, util::BoxCloneSyncService};

use self::{deadline::attempt_end, roots::Trust};

pub use self::{
    certificate::{CertificateFailure, KeyType},
    dialer::{ConnectTo, Dialer},
    error::Failure,
    tunnel::{ProxyCause, ProxyFailure},
};

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

type TlsClient = Client<HttpsConnector<Dialer>, Full<Bytes>>;

/// An HTTPS client with one root store and one dialer.
#[derive(Clone)]
pub struct Https {
    service: BoxCloneSyncService<HttpRequest, Answer, Failure>,
    dialer: Dialer,
}

/// Another limit for the answer to one request, as an extension of it.
#[derive(Clone, Copy)]
pub struct AnswerLimit {
    /// The length of a body, in bytes.
    pub bytes: usize,
    /// Whether the headers of a success say enough; then its body is not read.
    pub is_enough: fn(&HeaderMap) -> bool,
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
    /// A client that trusts what `trust` trusts; answers longer than `answer_limit` bytes are a [`Failure::TooLong`].
    pub fn new(trust: Trust, dialer: Dialer, answer_limit: usize) -> Self {
        let client = |tls| {
            let connector = hyper_rustls::HttpsConnectorBuilder::new()
                .with_tls_config(tls)
                .https_only()
                .enable_http1()
                .wrap_connector(dialer.clone());
            Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .build(connector)
        };
        let (usual, offering_all) = (client(trust.usual), client(trust.offering_all));
        let service = service_fn(move |request: HttpRequest| {
            let (usual, offering_all) = (usual.clone(), offering_all.clone());
            let limit = request.extensions().get().copied().unwrap_or(AnswerLimit {
                bytes: answer_limit,
                is_enough: |_| false,
            });
            async move {
                let response = match send(&usual, request.clone()).await {
                    // A server without a certificate of a supported key ends the handshake before it shows any.
                    Err(Failure::Handshake) => match send(&offering_all, request).await {
                        Err(Failure::Certificate(failure)) => Err(Failure::Certificate(failure)),
                        Err(_) => Err(Failure::Handshake),
                        response => response,
                    },
                    response => response,
                };
                read(response?, limit).await
            }
        });
        Self {
            service: BoxCloneSyncService::new(service),
            dialer,
        }
    }

    /// A client whose answers come from `service`: in tests, a script instead of a server.
    pub fn from_service<S>(service: S) -> Self
    where
        S: Service<HttpRequest, Response = Answer, Error = Failure> + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
    {
        Self {
            service: BoxCloneSyncService::new(service),
            dialer: Dialer::direct(),
        }
    }

    /// Sends `request` and reads the whole answer, in the time of one attempt ([`attempt_end`]) before `until`.
    ///
    /// # Errors
    /// How the exchange failed below HTTP; an answer of any status is not an error.
    pub async fn exchange(&self, request: HttpRequest, until: Instant) -> Result<Answer, Failure> {
        let url = request.uri().clone();
        tokio::time::timeout_at(attempt_end(until), self.service.clone().oneshot(request))
            .await
            .unwrap_or(Err(Failure::TimedOut))
            .map_err(|failure| self.dialer.with_proxy(&url, failure))
    }
}

async fn send(client: &TlsClient, request: HttpRequest) -> Result<Response<Incoming>, Failure> {
    client.request(request).await.map_err(|error| Failure::of(&error))
}

async fn read<B>(response: Response<B>, limit: AnswerLimit) -> Result<Answer, Failure>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (parts, body) = response.into_parts();
    let is_success = parts.status.is_success();
    let body = if is_success && (limit.is_enough)(&parts.headers) {
        Bytes::new()
    } else {
        let read = Limited::new(body, limit.bytes).collect().await;
        match read.map_err(|error| Failure::of(error.as_ref())) {
            Ok(read) => read.to_bytes(),
            // The status of a refusal decides, and a proxy's page may be of any length.
            Err(Failure::TooLong) if !is_success => Bytes::new(),
            Err(failure) => return Err(failure),
        }
    };
    Ok(Answer {
        status: parts.status,
        headers: parts.headers,
        body,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn r17_a_refusal_counts_whatever_the_length_of_its_page() {
        let limit = AnswerLimit {
            bytes: 8,
            is_enough: |_| false,
        };
        for (status, length, expected) in [
            (200, 8, Ok(8)),
            (200, 9, Err(Failure::TooLong)),
            (401, 8, Ok(8)),
            (401, 9, Ok(0)),
            (403, 4096, Ok(0)),
            (404, 4096, Ok(0)),
            (503, 4096, Ok(0)),
        ] {
            let mut response = Response::new(Full::new(Bytes::from(vec![b'x'; length])));
            *response.status_mut() = StatusCode::from_u16(status).expect("a status");
            let found = read(response, limit).await;
            assert_eq!(
                found.map(|answer| answer.body.len()),
                expected,
                "{status} {length}"
            );
        }
    }

    /// How long a server that answers after `delay` seconds is waited for, of `left` seconds, and whether it answers.
    async fn waited(delay: u64, left: u64) -> (u64, bool) {
        let https = Https::from_service(service_fn(move |_| async move {
            tokio::time::sleep(Duration::from_secs(delay)).await;
            Ok(Answer {
                status: StatusCode::OK,
                headers: HeaderMap::new(),
                body: Bytes::new(),
            })
        }));
        let begun = Instant::now();
        let until = begun + Duration::from_secs(left);
        let answer = https.exchange(HttpRequest::default(), until).await;
        (begun.elapsed().as_secs(), answer.is_ok())
    }

    #[tokio::test(start_paused = true)]
    async fn r5_an_attempt_may_take_half_of_what_is_left_and_15_seconds_at_least() {
        for (delay, left, expected) in [
            // A proxy cache's manifest, of the registries' half of two minutes.
            (20, 60, (20, true)),
            (29, 60, (29, true)),
            (31, 60, (30, false)),
            (14, 20, (14, true)),
            (16, 20, (15, false)),
            // Never past the end.
            (14, 10, (10, false)),
            (1, 0, (0, false)),
        ] {
            assert_eq!(waited(delay, left).await, expected, "{delay} of {left}");
        }
    }
}
