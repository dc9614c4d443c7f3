//! One credential at one registry, one question at a time.

use std::sync::atomic::{AtomicU32, Ordering};

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderValue, Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};

use super::{
    AuthScheme, Inconclusive, Login, ProtocolError, PullAnswer, Registries, UntrustedParty,
    client::url,
    kind::openshift,
    response::{bearer, error_code, is_manifest, same_digest, scheme},
    send_policy::SendPolicy,
    token_service::TokenService,
};
use crate::{
    image::{ImageReference, RegistryHost},
    transport::{
        Answer, Failure,
        deadline::{Backoff, LOGIN_RETRY_PAUSE},
    },
};

/// How often a credential may fail to log in at one registry in one run: registries lock accounts and addresses.
const MAX_FAILED_LOGINS: u32 = 2;

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
    registry: &'a RegistryHost,
    scheme: Option<AuthScheme>,
    credential: Credential,
    policy: SendPolicy<'a>,
    failed_logins: AtomicU32,
}

/// What a session sends.
#[derive(Clone)]
enum Credential {
    /// Nothing.
    None,
    /// The header of Basic authentication.
    Basic(HeaderValue),
    /// A credential with characters that a header can't hold.
    NotSendable,
}

/// How to send the credential with a request.
enum Authorization {
    Header(Option<HeaderValue>),
    Refused,
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
        let credential = match HeaderValue::try_from(format!("Basic {pair}")) {
            Ok(mut header) => {
                header.set_sensitive(true);
                Credential::Basic(header)
            }
            Err(_) => Credential::NotSendable,
        };
        Self {
            registries,
            registry,
            scheme,
            credential,
            policy,
            failed_logins: AtomicU32::new(0),
        }
    }

    /// The same registry without credentials.
    #[must_use]
    pub fn without_credentials(&self) -> Session<'a> {
        Session {
            registries: self.registries,
            registry: self.registry,
            scheme: self.scheme.clone(),
            credential: Credential::None,
            policy: self.policy,
            failed_logins: AtomicU32::new(0),
        }
    }

    /// The same, as a client that was asked for nothing.
    #[must_use]
    pub(super) fn without_scheme(self) -> Self {
        Session { scheme: None, ..self }
    }

    /// The same credential, for a registry that authenticates by another scheme than its `/v2/` told.
    pub(super) fn set_scheme(&mut self, scheme: AuthScheme) {
        self.scheme = Some(scheme);
    }

    /// How the registry authenticates.
    pub const fn scheme(&self) -> Option<&AuthScheme> {
        self.scheme.as_ref()
    }

    /// The registry.
    pub(super) const fn registry(&self) -> &'a RegistryHost {
        self.registry
    }

    /// Is the credential accepted at all? Basic: `GET /v2/` with it; Bearer: a token without a scope.
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

    /// Asks once more after a refused login, two seconds later, unless it failed as often as it may already.
    pub async fn confirm_refusal(&self) -> Login {
        let is_final = || self.failed_logins.load(Ordering::Relaxed) >= MAX_FAILED_LOGINS;
        if is_final()
            || !Backoff::new()
                .wait(Some(LOGIN_RETRY_PAUSE), self.registries.until())
                .await
        {
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

    /// May this image be pulled, and is it there?
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
            let login = match self.fetch_token(realm, service.as_deref(), None).await {
                Ok(Authorization::Header(_)) => Login::Accepted,
                Ok(Authorization::Refused) => Login::Refused,
                Err(Inconclusive::Protocol(ProtocolError::Status(StatusCode::BAD_REQUEST))) => {
                    Login::NeedsScope
                }
                Err(inconclusive) => return Err(inconclusive),
            };
            return Ok((login, None));
        }
        let Authorization::Header(authorization) = self.basic() else {
            return Ok((Login::Refused, None));
        };
        let ping = url(self.registry, "/v2/");
        let answer = self.send(&Method::GET, &ping, authorization.as_ref()).await?;
        match answer.status {
            StatusCode::OK => Ok((Login::Accepted, None)),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::BAD_REQUEST => {
                Ok((Login::Refused, scheme(self.registry, &answer.headers)))
            }
            other => Err(Inconclusive::Protocol(ProtocolError::Status(other))),
        }
    }

    /// HEAD; GET where HEAD's answer is neither a manifest nor 401.
    async fn try_manifest(&self, image: &ImageReference) -> Result<ManifestAnswer, Inconclusive> {
        let decided = |answer| ManifestAnswer {
            answer,
            challenge: None,
        };
        let Authorization::Header(authorization) = self.authorize(Some((image, "pull"))).await? else {
            self.count_failed_login();
            return Ok(decided(PullAnswer::Refused));
        };
        let path = format!("/v2/{}/manifests/{}", image.repository(), image.reference());
        let manifest = url(self.registry, &path);
        let mut answer = self
            .send(&Method::HEAD, &manifest, authorization.as_ref())
            .await?;
        let is_decided = match answer.status {
            StatusCode::UNAUTHORIZED => true,
            StatusCode::OK => is_manifest(&answer),
            _ => false,
        };
        if !is_decided {
            answer = self.send(&Method::GET, &manifest, authorization.as_ref()).await?;
        }
        Ok(match answer.status {
            StatusCode::OK if is_manifest(&answer) => decided(same_digest(image, &answer)),
            StatusCode::OK => return Err(Inconclusive::Protocol(ProtocolError::NotAManifest)),
            StatusCode::UNAUTHORIZED => ManifestAnswer {
                challenge: scheme(self.registry, &answer.headers),
                // The token service gave a token: it knows the credential, or lets everybody in.
                answer: match self.scheme {
                    Some(AuthScheme::Bearer { .. }) => PullAnswer::Forbidden,
                    Some(AuthScheme::Basic | AuthScheme::OpenShift) | None => PullAnswer::Refused,
                },
            },
            StatusCode::FORBIDDEN => decided(PullAnswer::Forbidden),
            StatusCode::NOT_FOUND => decided(
                self.what_is_missing(image.repository(), &answer, authorization.as_ref())
                    .await?,
            ),
            other => return Err(Inconclusive::Protocol(ProtocolError::Status(other))),
        })
    }

    /// Only the body tells a missing repository from a missing tag, and of some registries not even that: they say
    /// `MANIFEST_UNKNOWN` for both, but list no tags of a repository that is not there.
    async fn what_is_missing(
        &self,
        repository: &str,
        answer: &Answer,
        authorization: Option<&HeaderValue>,
    ) -> Result<PullAnswer, Inconclusive> {
        match error_code(answer).as_deref() {
            Some("NAME_UNKNOWN") => return Ok(PullAnswer::RepositoryMissing),
            Some(code) if self.scheme == Some(AuthScheme::OpenShift) && openshift::is_missing_tag(code) => {
                return Ok(PullAnswer::TagMissing);
            }
            _ => {}
        }
        let tags = url(self.registry, &format!("/v2/{repository}/tags/list?n=1"));
        match self.send(&Method::GET, &tags, authorization).await {
            Ok(tags) if tags.status == StatusCode::NOT_FOUND => Ok(PullAnswer::RepositoryMissing),
            // A list of tags that is longer than the limit is one.
            Ok(_) | Err(Inconclusive::Protocol(ProtocolError::Failed(Failure::TooLong))) => {
                Ok(PullAnswer::TagMissing)
            }
            Err(inconclusive) => Err(inconclusive),
        }
    }

    pub(super) async fn send(
        &self,
        method: &Method,
        url: &str,
        authorization: Option<&HeaderValue>,
    ) -> Result<Answer, Inconclusive> {
        let is_openshift = self.scheme == Some(AuthScheme::OpenShift);
        self.registries
            .send(method, url, authorization, is_openshift)
            .await
    }

    fn count_failed_login(&self) {
        self.failed_logins.fetch_add(1, Ordering::Relaxed);
    }

    /// The header for a request in `scope`, refused where there is none.
    ///
    /// # Errors
    /// The token service doesn't tell.
    pub(super) async fn header_for(
        &self,
        scope: (&ImageReference, &str),
    ) -> Result<Option<Option<HeaderValue>>, Inconclusive> {
        Ok(match self.authorize(Some(scope)).await? {
            Authorization::Header(header) => Some(header),
            Authorization::Refused => None,
        })
    }

    async fn authorize(&self, scope: Option<(&ImageReference, &str)>) -> Result<Authorization, Inconclusive> {
        match &self.scheme {
            // A registry that doesn't ask gets no credential.
            None => Ok(Authorization::Header(None)),
            Some(AuthScheme::Basic | AuthScheme::OpenShift) => Ok(self.basic()),
            Some(AuthScheme::Bearer { realm, service }) => {
                self.fetch_token(realm, service.as_deref(), scope).await
            }
        }
    }

    fn basic(&self) -> Authorization {
        match &self.credential {
            Credential::None => Authorization::Header(None),
            Credential::Basic(header) => Authorization::Header(Some(header.clone())),
            Credential::NotSendable => Authorization::Refused,
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
        let Authorization::Header(basic) = self.basic() else {
            return Ok(Authorization::Refused);
        };
        let token_url = service.url(scope);
        let answer = self.send(&Method::GET, &token_url, basic.as_ref()).await?;
        match answer.status {
            StatusCode::OK => bearer(&answer).map(|token| Authorization::Header(Some(token))),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Ok(Authorization::Refused),
            other => Err(Inconclusive::Protocol(ProtocolError::Status(other))),
        }
    }
}
