//! Requests with one credential at one registry.

use std::sync::atomic::{AtomicU32, Ordering};

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderValue, Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};

use super::{
    Authorization, Inconclusive, Login, PullAnswer, Registries, UntrustedParty,
    client::url,
    kind::{Anonymous, AuthScheme, Kind},
    response,
    send_policy::SendPolicy,
    token_service::TokenService,
};
use crate::{
    image::{ImageReference, RegistryHost},
    transport::{
        self, Answer,
        retry::{Retry, RetryCause},
    },
};

/// User name and password of a credential.
pub struct UserPassword<'a> {
    /// User name.
    pub username: &'a str,
    /// Password.
    pub password: &'a SecretString,
}

/// One credential, or none, at one registry that authenticates by `scheme`.
pub struct Session<'a> {
    registries: &'a Registries,
    pub(super) registry: &'a RegistryHost,
    /// How the registry asks to authenticate.
    pub(super) scheme: Option<AuthScheme>,
    /// The header of Basic authentication; none without credentials.
    basic: Option<HeaderValue>,
    policy: SendPolicy<'a>,
    failed_logins: AtomicU32,
}

/// The answer for one manifest, and how the repository asks to authenticate, where it does.
pub(super) struct ManifestAnswer {
    /// The answer.
    pub answer: PullAnswer,
    /// The challenge of a 401.
    pub challenge: Option<AuthScheme>,
}

impl<'a> Session<'a> {
    /// Session with `credential` at `registry`. It is sent to the registry itself, and to the token service of a Bearer
    /// challenge if `policy` allows it.
    pub fn new(
        registries: &'a Registries,
        registry: &'a RegistryHost,
        scheme: Option<AuthScheme>,
        credential: UserPassword<'_>,
        policy: SendPolicy<'a>,
    ) -> Self {
        let UserPassword { username, password } = credential;
        let pair = STANDARD.encode(format!("{username}:{}", password.expose_secret()));
        Self {
            registries,
            registry,
            scheme,
            // Base64 is always a valid header.
            basic: transport::authorization("Basic", &pair).ok(),
            policy,
            failed_logins: AtomicU32::new(0),
        }
    }

    /// The same registry without credentials, for a client that was asked for `scheme`.
    pub(super) fn without_credentials(&self, scheme: Option<AuthScheme>) -> Session<'a> {
        Session {
            registries: self.registries,
            registry: self.registry,
            scheme,
            basic: None,
            policy: self.policy,
            failed_logins: AtomicU32::new(0),
        }
    }

    /// Whether the credential is accepted. Basic: `GET /v2/` with it; Bearer: a token request without a scope.
    pub async fn login(&self) -> Login {
        self.login_with_challenge().await.0
    }

    /// The login, and how the registry asks to authenticate where it refuses.
    pub(super) async fn login_with_challenge(&self) -> (Login, Option<AuthScheme>) {
        let (login, challenge) = self
            .try_login()
            .await
            .unwrap_or_else(|inconclusive| (Login::Inconclusive(inconclusive), None));
        if login == Login::Refused {
            self.count_failed_login();
        }
        (login, challenge)
    }

    /// The login after a refused one, asked again where the credential may fail to log in once more.
    pub async fn confirm_refusal(&self) -> Login {
        let cause = RetryCause::login_refusal(self.failed_logins.load(Ordering::Relaxed));
        if !Retry::new(self.registries.until()).again(cause).await {
            return Login::Refused;
        }
        self.login().await
    }

    /// The login, asked once more where it is refused.
    pub async fn confirmed_login(&self) -> Login {
        match self.login().await {
            Login::Refused => self.confirm_refusal().await,
            login => login,
        }
    }

    /// Whether this image exists and may be pulled.
    pub async fn pull(&self, image: &ImageReference) -> PullAnswer {
        self.manifest(image).await.answer
    }

    pub(super) async fn manifest(&self, image: &ImageReference) -> ManifestAnswer {
        self.try_manifest(image)
            .await
            .unwrap_or_else(|inconclusive| ManifestAnswer {
                answer: PullAnswer::Inconclusive(inconclusive),
                challenge: None,
            })
    }

    async fn try_login(&self) -> Result<(Login, Option<AuthScheme>), Inconclusive> {
        if let Some(AuthScheme::Bearer { realm, service }) = &self.scheme {
            let token = self.fetch_token(realm, service.as_deref(), None).await;
            return Ok((response::token_login(token)?, None));
        }
        let ping = url(self.registry, "/v2/");
        let answer = self.send(&Method::GET, &ping, self.basic.as_ref()).await?;
        let login = response::login(&answer)?;
        Ok((login, AuthScheme::of_challenge(self.registry, &answer.headers)))
    }

    /// HEAD; GET where HEAD's answer is neither a manifest nor 401.
    async fn try_manifest(&self, image: &ImageReference) -> Result<ManifestAnswer, Inconclusive> {
        let Authorization::Header(authorization) = self.authorize(Some((image, "pull"))).await? else {
            self.count_failed_login();
            return Ok(ManifestAnswer {
                answer: PullAnswer::Refused,
                challenge: None,
            });
        };
        let authorization = authorization.as_ref();
        let repository = format!("/v2/{}", image.repository());
        let manifest = url(
            self.registry,
            &format!("{repository}/manifests/{}", image.reference()),
        );
        let mut found = self.send(&Method::HEAD, &manifest, authorization).await?;
        if !response::is_final_head(&found) {
            found = self.send(&Method::GET, &manifest, authorization).await?;
        }
        let answer = match response::manifest(self.kind(), image, &found)? {
            Some(answer) => answer,
            None => {
                let tags = url(self.registry, &format!("{repository}/tags/list?n=1"));
                response::tags(self.send(&Method::GET, &tags, authorization).await)?
            }
        };
        let challenge = match found.status {
            StatusCode::UNAUTHORIZED => AuthScheme::of_challenge(self.registry, &found.headers),
            _ => None,
        };
        Ok(ManifestAnswer { answer, challenge })
    }

    /// Kind of the registry.
    fn kind(&self) -> &'static dyn Kind {
        self.scheme.as_ref().map_or(&Anonymous, AuthScheme::kind)
    }

    pub(super) async fn send(
        &self,
        method: &Method,
        url: &str,
        authorization: Option<&HeaderValue>,
    ) -> Result<Answer, Inconclusive> {
        self.registries
            .send(method, url, authorization, self.kind())
            .await
    }

    fn count_failed_login(&self) {
        self.failed_logins.fetch_add(1, Ordering::Relaxed);
    }

    /// How to authenticate a request, in `scope` where it is about an image.
    ///
    /// # Errors
    /// The token service's answer doesn't decide.
    pub(super) async fn authorize(
        &self,
        scope: Option<(&ImageReference, &str)>,
    ) -> Result<Authorization, Inconclusive> {
        match &self.scheme {
            // A registry that doesn't ask gets no credential.
            None => Ok(Authorization::Header(None)),
            Some(AuthScheme::Bearer { realm, service }) => {
                self.fetch_token(realm, service.as_deref(), scope).await
            }
            Some(_) => Ok(Authorization::Header(self.basic.clone())),
        }
    }

    /// The token service's answer to the credential (distribution spec, Token Authentication).
    async fn fetch_token(
        &self,
        realm: &str,
        service: Option<&str>,
        scope: Option<(&ImageReference, &str)>,
    ) -> Result<Authorization, Inconclusive> {
        let service = TokenService::parse(realm, service)?;
        let (host, port) = (service.host(), service.port());
        let is_own = self.registry.dial().is(host, port);
        if !(is_own || self.policy.allows_token_service(self.registry, host, port)) {
            return Err(Inconclusive::Untrusted(UntrustedParty::Realm(
                service.to_string(),
            )));
        }
        let token_url = service.url(scope);
        let answer = self.send(&Method::GET, &token_url, self.basic.as_ref()).await?;
        response::token(&answer)
    }
}
