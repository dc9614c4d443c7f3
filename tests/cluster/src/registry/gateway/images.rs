//! The images behind the gateway: distribution's answers, and where OpenShift's differ from them.

use std::net::SocketAddr;

use anyhow::Result;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderName};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::answer;
use crate::listener::upstream::{Body, Upstream, full, streamed};

const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// A distribution without authentication.
#[derive(Debug)]
pub(super) struct Images {
    distribution: Upstream,
}

impl Images {
    pub(super) fn new(distribution: SocketAddr) -> Result<Self> {
        Ok(Self {
            distribution: Upstream::new(&format!("http://{distribution}"), None, true)?,
        })
    }

    /// Distribution's answer to a request that may pass.
    pub(super) async fn forward(&self, request: Request<Incoming>) -> Response<Body> {
        let mut request = request.map(streamed);
        // Distribution knows nothing of credentials, and makes the Location of an upload of these.
        request.headers_mut().remove(AUTHORIZATION);
        request
            .headers_mut()
            .insert(FORWARDED_PROTO, HeaderValue::from_static("https"));
        match self.distribution.send(request).await {
            Ok(response) => answer::of_distribution(response.map(streamed)),
            Err(_) => answer::unknown(),
        }
    }

    /// True if there is an image stream of this name: a repository that was pushed to, with tags or without.
    pub(super) async fn has_stream(&self, name: &str) -> bool {
        let mut request = Request::new(full(""));
        let Ok(uri) = format!("/v2/{name}/tags/list").parse() else {
            return false;
        };
        *request.uri_mut() = uri;
        self.distribution
            .send(request)
            .await
            .is_ok_and(|response| response.status() == StatusCode::OK)
    }

    /// Response for a manifest that distribution doesn't have. OpenShift's distinguishes a missing stream from a
    /// missing tag, and its details are objects, as distribution's were before version 3.
    pub(super) async fn missing_manifest(
        &self,
        response: Response<Body>,
        name: &str,
        reference: &str,
    ) -> Response<Body> {
        let is_tag = !reference.contains(':');
        if is_tag && !self.has_stream(name).await {
            return answer::name_unknown();
        }
        let (mut head, body) = response.into_parts();
        let Ok(body) = body.collect().await else {
            return answer::unknown();
        };
        let body = body.to_bytes();
        let Ok(mut errors) = serde_json::from_slice::<Value>(&body) else {
            // A response to HEAD has none.
            return Response::from_parts(head, full(body));
        };
        if let Some(detail) = errors
            .pointer_mut("/errors/0/detail")
            .filter(|detail| detail.is_string())
        {
            *detail = if is_tag {
                json!({"Tag": reference})
            } else {
                json!({"Name": name, "Revision": reference})
            };
        }
        head.headers.remove(CONTENT_LENGTH);
        Response::from_parts(head, full(format!("{errors}\n")))
    }
}
