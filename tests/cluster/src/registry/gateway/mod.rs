//! OpenShift's integrated registry, as far as a client can see: its rules in front of a real distribution.
//!
//! Distribution holds the images. Who may have them is decided for every request by the API server, with the token
//! that the request presents; nothing is remembered from one request to the next. `openshift-rows.json` beside the
//! parent module lists what the real one was seen to answer, and a test plays it against this one.

mod answer;
mod credential;
mod images;
mod review;
mod route;
mod token;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use http::header::HOST;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use hyper::body::Incoming;

use self::answer::Challenge;
use self::credential::{Credential, Unusable};
use self::images::Images;
use self::review::{Failure, Permission, Reviewer};
use self::route::{Need, Part, Route};
use super::ApiServer;
use super::request_log::RequestLog;
use crate::certificates::ServerCertificate;
use crate::listener::http_server::{Answer, Handler, HttpServer};
use crate::listener::tls;
use crate::listener::upstream::Body;

/// Time that the real registry waits for a frozen API server: E400 came after 45.0 s.
pub const REVIEW_LIMIT: Duration = Duration::from_secs(45);

/// A running gateway; ends when dropped.
#[derive(Debug)]
pub struct Gateway {
    server: HttpServer,
}

struct Registry {
    reviewer: Reviewer,
    images: Images,
    log: RequestLog,
}

/// A response without a request to distribution.
type Refusal = Response<Body>;

impl Gateway {
    /// Starts a gateway in front of the distribution at `distribution` (plain http, no authentication), which sends
    /// reviews of every token to `api_server`, each for at most `review_limit`.
    pub fn start(
        api_server: &ApiServer,
        distribution: SocketAddr,
        certificate: &ServerCertificate,
        log: RequestLog,
        review_limit: Duration,
    ) -> Result<Self> {
        let registry = Registry {
            reviewer: Reviewer::new(api_server, review_limit)?,
            images: Images::new(distribution)?,
            log,
        };
        let server = HttpServer::start(
            "OpenShift registry gateway",
            Some(tls::server(certificate)?),
            Arc::new(registry),
        )?;
        Ok(Self { server })
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }
}

impl Handler for Registry {
    fn answer(self: Arc<Self>, request: Request<Incoming>) -> Answer {
        Box::pin(async move {
            let (method, headers) = (request.method().clone(), request.headers().clone());
            let path = request.uri().path().to_owned();
            let mut user = None;
            let response = match self.handle(request, &mut user).await {
                Ok(response) | Err(response) => response,
            };
            self.log.append(&method, &path, &headers, response.status(), user);
            Ok(response)
        })
    }
}

impl Registry {
    /// `user` is set as soon as the API server has authenticated it.
    async fn handle(
        &self,
        request: Request<Incoming>,
        user: &mut Option<String>,
    ) -> Result<Response<Body>, Refusal> {
        match route::of(request.uri().path()) {
            Route::BaseWithoutSlash => Ok(answer::moved_to_base()),
            Route::Health => Ok(answer::healthy()),
            Route::Unknown => Ok(answer::not_found()),
            Route::Token => self.token(&request, user).await,
            Route::Base => {
                self.authenticate(request.headers(), user, None).await?;
                Ok(answer::base())
            }
            Route::Catalog => {
                let token = self.authenticate(request.headers(), user, None).await?;
                let permission = Permission {
                    verb: "list",
                    resource: "imagestreams",
                    namespace: "",
                    name: "",
                };
                self.authorize(&token, permission, None).await?;
                Ok(self.images.forward(request).await)
            }
            Route::Repository { name, part } => self.repository(request, &name, &part, user).await,
        }
    }

    async fn repository(
        &self,
        mut request: Request<Incoming>,
        name: &str,
        part: &Part,
        user: &mut Option<String>,
    ) -> Result<Response<Body>, Refusal> {
        let needs = route::needs(request.method());
        let asked = Some((name, needs));
        let token = self.authenticate(request.headers(), user, asked).await?;
        let (namespace, stream) = route::image_stream(name).ok_or_else(answer::bad_request)?;
        for need in needs {
            self.authorize(&token, permission(*need, namespace, stream), asked)
                .await?;
        }
        if request.method() == Method::POST && !self.may_mount(&request, &token).await? {
            drop_query(&mut request);
        }
        let tag = match part {
            Part::Manifest(reference) if !reference.contains(':') => Some(reference),
            _ => None,
        };
        if request.method() == Method::PUT && tag.is_some() && !self.images.has_stream(name).await {
            let create = Permission {
                verb: "create",
                resource: "imagestreams",
                namespace,
                name: "",
            };
            match self.reviewer.allows(&token, create).await {
                Ok(true) => {}
                Ok(false) | Err(Failure::Forbidden | Failure::Unauthorized) => return Ok(answer::denied()),
                Err(Failure::Unavailable(_)) => return Ok(answer::unknown()),
            }
        }
        let response = self.images.forward(request).await;
        match part {
            Part::Manifest(reference) if response.status() == StatusCode::NOT_FOUND => {
                Ok(self.images.missing_manifest(response, name, reference).await)
            }
            _ => Ok(response),
        }
    }

    /// The token of a request that the API server accepts, empty for the word `anonymous`, or the denial.
    async fn authenticate(
        &self,
        headers: &HeaderMap,
        user: &mut Option<String>,
        asked: Option<(&str, &[Need])>,
    ) -> Result<Vec<u8>, Refusal> {
        match credential::of_request(headers) {
            Err(Unusable::Absent) => {
                let host = headers.get(HOST).and_then(|host| host.to_str().ok());
                Err(answer::unauthorized(
                    Challenge::Bearer(host.unwrap_or_default()),
                    asked,
                ))
            }
            Err(Unusable::Undecodable) => Err(answer::unauthorized(Challenge::Undecodable, asked)),
            Ok(Credential::Anonymous) => Ok(Vec::new()),
            Ok(Credential::Token(token)) => match self.reviewer.user(&token).await {
                Ok(name) => {
                    *user = Some(name);
                    Ok(token)
                }
                Err(failure) => Err(refusal(&failure, asked)),
            },
        }
    }

    async fn authorize(
        &self,
        token: &[u8],
        permission: Permission<'_>,
        asked: Option<(&str, &[Need])>,
    ) -> Result<(), Refusal> {
        match self.reviewer.allows(token, permission).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(answer::unauthorized(Challenge::AccessDenied, asked)),
            Err(failure) => Err(refusal(&failure, asked)),
        }
    }

    /// True if a blob may be mounted from the repository that the query names; where it may not, it is uploaded.
    async fn may_mount(&self, request: &Request<Incoming>, token: &[u8]) -> Result<bool, Refusal> {
        let Some(from) = query_values(request, "from").next() else {
            return Ok(true);
        };
        let (namespace, stream) = route::image_stream(&from).ok_or_else(answer::bad_request)?;
        match self
            .reviewer
            .allows(token, permission(Need::Pull, namespace, stream))
            .await
        {
            Ok(allowed) => Ok(allowed),
            Err(Failure::Unauthorized | Failure::Forbidden) => Ok(false),
            Err(Failure::Unavailable(_)) => Err(answer::bad_request()),
        }
    }
}

fn refusal(failure: &Failure, asked: Option<(&str, &[Need])>) -> Refusal {
    match failure {
        Failure::Unauthorized | Failure::Forbidden => answer::unauthorized(Challenge::AccessDenied, asked),
        Failure::Unavailable(_) => answer::bad_request(),
    }
}

fn permission<'a>(need: Need, namespace: &'a str, stream: &'a str) -> Permission<'a> {
    let layers = |verb| Permission {
        verb,
        resource: "imagestreams/layers",
        namespace,
        name: stream,
    };
    match need {
        Need::Pull => layers("get"),
        Need::Push => layers("update"),
        Need::Delete => Permission {
            verb: "delete",
            resource: "images",
            namespace: "",
            name: "",
        },
    }
}

/// The decoded values of a key in the query, in order.
fn query_values<'a>(request: &'a Request<Incoming>, key: &'a str) -> impl Iterator<Item = String> + 'a {
    form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes())
        .filter(move |(name, _)| name == key)
        .map(|(_, value)| value.into_owned())
}

fn drop_query(request: &mut Request<Incoming>) {
    if let Ok(path) = request.uri().path().parse() {
        *request.uri_mut() = path;
    }
}
