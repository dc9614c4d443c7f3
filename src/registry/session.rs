//! Requests with one credential at one registry.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderValue, Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};

use super::{
    Authorization, Inconclusive, Login, PullAnswer, Registries, Remark, UntrustedParty,
    client::{Ask, Purpose, url},
    host::{Host, Usage},
    kind::{Anonymous, AuthScheme, Kind},
    response,
    send_policy::SendPolicy,
    token_service::TokenService,
};
use crate::{
    image::{ImageReference, RegistryHost},
    transport::{
        self, Answer,
        retry::{MAX_FAILED_LOGINS, Retry, RetryCause},
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
    host: Arc<Host>,
    usage: Arc<Usage>,
}

/// The answer for one manifest, and how the repository asks to authenticate, where it does.
pub(super) struct ManifestAnswer {
    /// The answer.
    pub answer: PullAnswer,
    /// The challenge of a 401.
    pub challenge: Option<AuthScheme>,
}

impl ManifestAnswer {
    /// The challenge of a repository that asks for a token of its token service.
    pub(super) fn asks_for_token(&self) -> Option<&AuthScheme> {
        self.challenge.as_ref().filter(|asked| asked.is_bearer())
    }
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
        // Base64 is always a valid header.
        let basic = transport::authorization("Basic", &pair).ok();
        let host = registries.host(registry);
        let usage = host.usage(basic.as_ref(), None);
        Self {
            registries,
            registry,
            scheme,
            basic,
            policy,
            host,
            usage,
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
            host: Arc::clone(&self.host),
            usage: self.host.usage(None, None),
        }
    }

    /// The same credential at a repository that asks for `scheme`.
    pub(super) fn with_scheme(&self, scheme: &AuthScheme) -> Session<'a> {
        Session {
            registries: self.registries,
            registry: self.registry,
            scheme: Some(scheme.clone()),
            basic: self.basic.clone(),
            policy: self.policy,
            host: Arc::clone(&self.host),
            usage: self.host.usage(self.basic.as_ref(), Some(scheme)),
        }
    }

    /// The session for a repository that asks otherwise than the registry's token service is asked; none where a token was
    /// refused as such, or the credential may not fail once more.
    pub(super) fn asked_otherwise(&self, challenge: Option<&AuthScheme>) -> Option<Session<'a>> {
        let asked = challenge.filter(|asked| self.is_bearer() && self.scheme.as_ref() != Some(asked))?;
        let may_be_sent = match asked {
            AuthScheme::Basic => self.basic.is_some() && !self.may_not_log_in(),
            AuthScheme::Bearer { .. } => true,
            AuthScheme::OpenShift => false,
        };
        may_be_sent.then(|| self.with_scheme(asked))
    }

    /// Whether the credential is accepted. Basic: `GET /v2/` with it; Bearer: a token request without a scope.
    pub async fn login(&self) -> Login {
        let (login, _) = self.login_with_challenge().await;
        if login == Login::Accepted {
            self.usage.accept();
        }
        login
    }

    /// The login, and how the registry asks to authenticate where it refuses.
    pub(super) async fn login_with_challenge(&self) -> (Login, Option<AuthScheme>) {
        if self.may_not_log_in() {
            return (Login::Refused, None);
        }
        let (login, challenge) = self
            .try_login()
            .await
            .unwrap_or_else(|inconclusive| (Login::Inconclusive(inconclusive), None));
        if login == Login::Refused && !self.is_bearer() {
            self.usage.count_refusal();
        }
        (login, challenge)
    }

    /// The login after a refused one, asked again where the credential may fail to log in once more.
    pub async fn confirm_refusal(&self) -> Login {
        let cause = RetryCause::login_refusal(self.usage.failed_logins());
        if !Retry::new(self.registries.until()).again(cause).await {
            return Login::Refused;
        }
        self.login().await
    }

    /// The image's answer where nothing else shows whether the credential is accepted.
    pub(super) async fn pull_as_login(&self, image: &ImageReference) -> PullAnswer {
        let answer = self.pull(image).await;
        self.count_refused_pull(&answer);
        answer
    }

    /// The image's answer after `answer`, asked again where that is a refused login and the credential may fail to log in
    /// once more.
    pub(super) async fn confirm_pull(&self, image: &ImageReference, answer: PullAnswer) -> PullAnswer {
        let cause = RetryCause::login_refusal(self.usage.failed_logins());
        if answer != PullAnswer::Refused || !Retry::new(self.registries.until()).again(cause).await {
            return answer;
        }
        self.usage.forget_tokens();
        self.pull_as_login(image).await
    }

    /// Counts a refusal of the repository; the token service's are counted where it is asked.
    fn count_refused_pull(&self, answer: &PullAnswer) {
        if *answer == PullAnswer::Refused && !self.is_bearer() {
            self.usage.count_refusal();
        }
    }

    /// Remembers that the credential was accepted by what a repository served.
    pub(super) fn accept(&self) {
        self.usage.accept();
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

    /// The image's answer; the challenge of a repository that asks otherwise than the token service was asked is answered.
    pub(super) async fn manifest(&self, image: &ImageReference) -> ManifestAnswer {
        let found = self.manifest_as_asked(image).await;
        let Some(other) = self.asked_otherwise(found.challenge.as_ref()) else {
            return found;
        };
        self.remark_challenge();
        let found = other.manifest_as_asked(image).await;
        if found.answer == PullAnswer::Refused {
            self.usage.count_refusal();
        }
        found
    }

    async fn manifest_as_asked(&self, image: &ImageReference) -> ManifestAnswer {
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
        let answer = self
            .send(Purpose::Ping, &Method::GET, &ping, self.basic.as_ref())
            .await?;
        let login = response::login(&answer)?;
        Ok((login, AuthScheme::of_challenge(self.registry, &answer.headers)))
    }

    /// HEAD; GET where HEAD's answer is neither a manifest nor 401.
    async fn try_manifest(&self, image: &ImageReference) -> Result<ManifestAnswer, Inconclusive> {
        let Authorization::Header(authorization) = self.authorize(Some((image, "pull"))).await? else {
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
        let ask = async |method| {
            self.send(Purpose::Manifest, method, &manifest, authorization)
                .await
        };
        let mut found = ask(&Method::HEAD).await?;
        let head = found.status;
        if !response::is_final_head(&found) {
            found = ask(&Method::GET).await?;
        }
        let answer = match response::manifest(self.kind(), image, &found)? {
            Some(answer) => answer,
            None => {
                let tags = url(self.registry, &format!("{repository}/tags/list?n=1"));
                let tags = self
                    .send(Purpose::Other, &Method::GET, &tags, authorization)
                    .await;
                response::tags(tags)?
            }
        };
        let is_known_to_containerd = head.is_success() || head == StatusCode::METHOD_NOT_ALLOWED;
        if answer == PullAnswer::Served && !is_known_to_containerd {
            self.registries.remark(Remark::ManifestByGetAlone(image.clone()));
        }
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

    /// Whether the credential failed to log in as often as it may. OpenShift's registry may refuse a good token while its API
    /// server starts.
    fn may_not_log_in(&self) -> bool {
        self.scheme != Some(AuthScheme::OpenShift) && self.usage.failed_logins() >= MAX_FAILED_LOGINS
    }

    fn is_bearer(&self) -> bool {
        self.scheme.as_ref().is_some_and(AuthScheme::is_bearer)
    }

    /// Remarks that a repository's own challenge is answered.
    pub(super) fn remark_challenge(&self) {
        if self.basic.is_some() {
            let remark = Remark::ChallengeOfRepositoryAlone(self.registry.clone());
            self.registries.remark(remark);
        }
    }

    pub(super) async fn send(
        &self,
        purpose: Purpose,
        method: &Method,
        url: &str,
        authorization: Option<&HeaderValue>,
    ) -> Result<Answer, Inconclusive> {
        let ask = Ask {
            purpose,
            method,
            url,
            authorization,
            kind: self.kind(),
        };
        self.registries.send(&self.host, ask).await
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
        let fetch = async {
            if self.may_not_log_in() {
                return Ok(Authorization::Refused);
            }
            let answer = self
                .send(Purpose::Token, &Method::GET, &token_url, self.basic.as_ref())
                .await?;
            let token = response::token(&answer)?;
            if token == Authorization::Refused && self.basic.is_some() {
                self.usage.count_refusal();
            }
            Ok(token)
        };
        match scope {
            Some(_) => self.usage.token(&token_url, fetch).await,
            // The login, which may be asked once more.
            None => fetch.await,
        }
    }
}
