//! `/openshift/token`: the token that a client with Basic credentials already has, or the word `anonymous`
//! (openshift/image-registry, `pkg/dockerregistry/server/token.go`).

use http::header::AUTHORIZATION;
use http::{Method, Request, Response};
use hyper::body::Incoming;

use super::review::Failure;
use super::{Refusal, Registry, answer, credential, query_values, route};
use crate::listener::upstream::Body;

impl Registry {
    /// Writes the token's user to `user`. The permission for the scope is not checked.
    pub(super) async fn token(
        &self,
        request: &Request<Incoming>,
        user: &mut Option<String>,
    ) -> Result<Response<Body>, Refusal> {
        if request.method() != Method::GET {
            return Ok(answer::method_not_allowed());
        }
        for scope in query_values(request, "scope") {
            // Type, name, actions; a name may hold colons (a port), an action may not.
            let name = scope
                .strip_prefix("repository:")
                .and_then(|rest| Some(rest.rsplit_once(':')?.0));
            if let Some(name) = name.filter(|name| route::image_stream(name).is_none()) {
                return Ok(answer::token_refused(Some(format!(
                    "repository name \"{name}\" invalid: it must be of the format <project>/<name>"
                ))));
            }
        }
        if !request.headers().contains_key(AUTHORIZATION) {
            return Ok(answer::token(credential::ANONYMOUS));
        }
        let Some(password) = credential::basic_password(request.headers()) else {
            return Ok(answer::token_refused(None));
        };
        let details = "unable to validate token".to_owned();
        match self.reviewer.user(&password).await {
            Ok(name) => {
                *user = Some(name);
                Ok(answer::token(&String::from_utf8_lossy(&password)))
            }
            Err(Failure::Unauthorized) => Ok(answer::token_refused(None)),
            Err(Failure::Forbidden) => Ok(answer::token_refused(Some(format!("{details}: Forbidden")))),
            Err(Failure::Unavailable(None)) => Ok(answer::token_refused(Some(details))),
            Err(Failure::Unavailable(Some(reason))) => {
                Ok(answer::token_refused(Some(format!("{details}: {reason}"))))
            }
        }
    }
}
