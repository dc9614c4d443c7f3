//! A proxy in front of a real server, usually the API server, that can hold, answer or break single requests.
//!
//! It ends TLS with a certificate of the test's choice and uses TLS to the server behind: clients get its address and
//! trust its CA. A hook, a function of the request, decides what happens.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::gate::Gates;
use super::http_server::{Answer, Handler, HttpServer, Reset};
use super::tls;
use super::upstream::{Upstream, full, streamed};
use crate::certificates::ServerCertificate;

/// A request as the hook sees it: complete, and not yet forwarded.
#[derive(Clone, Debug)]
pub struct RequestParts {
    /// Number of the request at this proxy, from 1.
    pub number: usize,
    /// Its method.
    pub method: Method,
    /// Its path, without the query.
    pub path: String,
    /// Its query, without the question mark; empty without one.
    pub query: String,
    /// Its headers, credentials included.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

/// Action for a request.
#[derive(Debug)]
pub enum Action {
    /// Forward the request, and return the server's response.
    Forward,
    /// Hold it at the gate of this name until [`InterceptingProxy::release`], then forward it.
    Hold(String),
    /// Return this response without forwarding.
    Answer(Response<Bytes>),
    /// Reset the connection without forwarding.
    Reset,
    /// Forward it, and reset the connection after the server's response: the work is done, its response lost.
    LoseAnswer,
}

/// Result of a request.
#[derive(Clone, Debug)]
pub struct Passage {
    /// The request.
    pub request: RequestParts,
    /// The status of the answer; `None` until there is one, and for a reset connection.
    pub status: Option<StatusCode>,
}

/// A running proxy; ends when dropped, with all requests that it holds.
#[derive(Debug)]
pub struct InterceptingProxy {
    server: HttpServer,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    gates: Gates,
    passages: Mutex<Vec<Passage>>,
    changed: Condvar,
}

struct Interception<Hook> {
    upstream: Upstream,
    state: Arc<State>,
    hook: Hook,
}

impl InterceptingProxy {
    /// Starts a proxy with this certificate in front of a server.
    pub fn start<Hook>(upstream: Upstream, certificate: &ServerCertificate, hook: Hook) -> Result<Self>
    where
        Hook: Fn(&RequestParts) -> Action + Send + Sync + 'static,
    {
        let state = Arc::<State>::default();
        let interception = Interception {
            upstream,
            state: Arc::clone(&state),
            hook,
        };
        let server = HttpServer::start(
            "intercepting proxy",
            Some(tls::server(certificate)?),
            Arc::new(interception),
        )?;
        Ok(Self { server, state })
    }

    /// Its address.
    pub fn address(&self) -> std::net::SocketAddr {
        self.server.address()
    }

    /// Waits until `count` requests have arrived at the gate; an error has their number after `limit`.
    pub fn wait_until_held(&self, gate: &str, count: usize, limit: Duration) -> Result<(), String> {
        self.state.gates.wait_for_arrivals(gate, count, limit)
    }

    /// Lets the requests that wait at the gate go on, and those that are yet to come pass.
    pub fn release(&self, gate: &str) {
        self.state.gates.open(gate);
    }

    /// All requests so far, in the order of arrival.
    pub fn passages(&self) -> Vec<Passage> {
        self.state.lock().clone()
    }

    /// Waits until a request that `wanted` accepts is among the passages, and returns it; `None` after `limit`.
    /// [`Passage::status`] shows whether it has a response.
    pub fn wait_for(&self, limit: Duration, wanted: impl Fn(&Passage) -> bool) -> Option<Passage> {
        let deadline = Instant::now() + limit;
        let mut passages = self.state.lock();
        loop {
            if let Some(found) = passages.iter().find(|passage| wanted(passage)) {
                return Some(found.clone());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            passages = self
                .state
                .changed
                .wait_timeout(passages, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

impl State {
    fn lock(&self) -> MutexGuard<'_, Vec<Passage>> {
        self.passages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn arrived(&self, head: &http::request::Parts, body: Bytes) -> RequestParts {
        let mut passages = self.lock();
        let request = RequestParts {
            number: passages.len() + 1,
            method: head.method.clone(),
            path: head.uri.path().to_owned(),
            query: head.uri.query().unwrap_or_default().to_owned(),
            headers: head.headers.clone(),
            body,
        };
        passages.push(Passage {
            request: request.clone(),
            status: None,
        });
        self.changed.notify_all();
        request
    }

    fn answered(&self, number: usize, status: StatusCode) {
        if let Some(passage) = self.lock().get_mut(number - 1) {
            passage.status = Some(status);
        }
        self.changed.notify_all();
    }
}

impl<Hook> Interception<Hook>
where
    Hook: Fn(&RequestParts) -> Action + Send + Sync + 'static,
{
    async fn intercept(&self, request: Request<Incoming>) -> Result<Response<super::upstream::Body>, Reset> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| Reset)?.to_bytes();
        let parts = self.state.arrived(&head, body.clone());
        let action = (self.hook)(&parts);
        match action {
            Action::Reset => return Err(Reset),
            Action::Answer(response) => {
                self.state.answered(parts.number, response.status());
                return Ok(response.map(full));
            }
            Action::Hold(ref gate) => self.state.gates.pass(gate).await,
            Action::Forward | Action::LoseAnswer => {}
        }
        // A server that can't be reached looks to the client as it would without a proxy: no answer.
        let response = self
            .upstream
            .send(Request::from_parts(head, full(body)))
            .await
            .map_err(|_| Reset)?;
        self.state.answered(parts.number, response.status());
        match action {
            Action::LoseAnswer => Err(Reset),
            _ => Ok(response.map(streamed)),
        }
    }
}

impl<Hook> Handler for Interception<Hook>
where
    Hook: Fn(&RequestParts) -> Action + Send + Sync + 'static,
{
    fn answer(self: Arc<Self>, request: Request<Incoming>) -> Answer {
        Box::pin(async move { self.intercept(request).await })
    }
}
