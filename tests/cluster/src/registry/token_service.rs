//! A Bearer token service (distribution, `docs/content/spec/auth/token.md`): it returns a short-lived token for an
//! account's password, with the allowed part of the requested scope.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::PUBLIC;
use super::accounts::{Account, random_hex};
use super::basic::basic_credentials;
use super::request_log::RequestLog;
use super::token_signer::TokenSigner;
use crate::listener::http_server::{Answer, Handler};
use crate::listener::upstream::{Body, full};

/// The path of the service on its host.
pub(super) const PATH: &str = "/token";

/// Distribution's own example; docker.io gives as long.
const LIFETIME: Duration = Duration::from_secs(300);

/// Answers requests for tokens.
#[derive(Debug)]
pub(super) struct TokenService {
    pub(super) signer: TokenSigner,
    pub(super) issuer: String,
    pub(super) service: String,
    pub(super) accounts: Vec<Account>,
    pub(super) log: Arc<RequestLog>,
}

impl TokenService {
    /// The answer to one request, logged.
    pub(super) fn answer(&self, head: &http::request::Parts) -> Response<Body> {
        let mut account = None;
        let response = match (head.uri.path(), &head.method) {
            (PATH, &Method::GET) => self.token(&head.headers, head.uri.query(), &mut account),
            (PATH, _) => respond(StatusCode::METHOD_NOT_ALLOWED, &json!({})),
            _ => respond(StatusCode::NOT_FOUND, &json!({})),
        };
        let user = account.map(|account: &Account| account.name.clone());
        self.log.append(
            &head.method,
            head.uri.path(),
            &head.headers,
            response.status(),
            user,
        );
        response
    }

    fn token<'a>(
        &'a self,
        headers: &HeaderMap,
        query: Option<&str>,
        account: &mut Option<&'a Account>,
    ) -> Response<Body> {
        if headers.contains_key(http::header::AUTHORIZATION) {
            *account = basic_credentials(headers).and_then(|(name, password)| {
                self.accounts
                    .iter()
                    .find(|account| account.name == name && account.password == password)
            });
            if account.is_none() {
                let mut response = respond(
                    StatusCode::UNAUTHORIZED,
                    &json!({"details": "incorrect username or password"}),
                );
                let challenge = HeaderValue::from_static("Basic realm=\"token service\"");
                response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
                return response;
            }
        }
        let access = form_urlencoded::parse(query.unwrap_or_default().as_bytes())
            .filter(|(key, _)| key == "scope")
            .filter_map(|(_, scope)| granted(&scope, *account))
            .collect::<Vec<_>>();
        match self.signed(*account, access) {
            Ok(token) => {
                let lifetime = LIFETIME.as_secs();
                let body = json!({"token": token, "access_token": token, "expires_in": lifetime});
                respond(StatusCode::OK, &body)
            }
            Err(error) => respond(
                StatusCode::INTERNAL_SERVER_ERROR,
                &json!({"details": error.to_string()}),
            ),
        }
    }

    fn signed(&self, account: Option<&Account>, access: Vec<Value>) -> Result<String> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .context("the clock is before 1970")?;
        self.signer.sign(&json!({
            "iss": self.issuer,
            "aud": self.service,
            "sub": account.map_or("", |account| &account.name),
            "iat": now.as_secs(),
            "nbf": now.as_secs(),
            "exp": (now + LIFETIME).as_secs(),
            "jti": random_hex()?,
            "access": access,
        }))
    }
}

impl Handler for TokenService {
    fn answer(self: Arc<Self>, request: Request<Incoming>) -> Answer {
        Box::pin(async move { Ok(TokenService::answer(&self, &request.into_parts().0)) })
    }
}

/// Allowed part of a scope, `repository:<name>:<action>,...`. Public images may always be pulled; an account without
/// any permission still gets a token, as at Docker Hub and Quay.
fn granted(scope: &str, account: Option<&Account>) -> Option<Value> {
    let (name, actions) = scope.strip_prefix("repository:")?.rsplit_once(':')?;
    let public = name
        .split_once('/')
        .is_some_and(|(namespace, _)| namespace == PUBLIC);
    let actions = actions
        .split(',')
        .filter(|action| match *action {
            "pull" => public || account.is_some_and(|account| account.pulls.contain(name)),
            "push" => account.is_some_and(|account| account.pushes.contain(name)),
            _ => false,
        })
        .collect::<Vec<_>>();
    (!actions.is_empty()).then(|| json!({"type": "repository", "name": name, "actions": actions}))
}

fn respond(status: StatusCode, body: &Value) -> Response<Body> {
    let mut response = Response::new(full(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use super::super::accounts::Repositories;
    use super::*;

    #[test]
    fn token_service_grants_the_allowed_part_of_the_request() {
        let account = Account::new(
            "team",
            Repositories::Namespace("team-a".into()),
            Repositories::None,
        )
        .expect("an account");
        let pull = json!({"type": "repository", "name": "team-a/app", "actions": ["pull"]});
        assert_eq!(
            granted("repository:team-a/app:pull,push", Some(&account)),
            Some(pull)
        );
        assert_eq!(granted("repository:team-b/app:pull", Some(&account)), None);
        assert_eq!(granted("repository:team-a/app:pull", None), None);
        assert_eq!(granted("registry:catalog:*", Some(&account)), None);
        let public = json!({"type": "repository", "name": "public/app", "actions": ["pull"]});
        assert_eq!(granted("repository:public/app:pull,push", None), Some(public));
    }
}
