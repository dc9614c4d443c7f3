//! Answers and verdicts of registries: data only.

use http::{HeaderValue, StatusCode};

use super::kind::AuthScheme;
use crate::transport::{Answer, CertificateFailure, Failure};

/// The answer to `GET /v2/` without credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ping {
    /// 401 with a challenge.
    Asks(AuthScheme),
    /// 200 of a registry: anonymous access, at least to this path.
    Anonymous {
        /// The challenge that came with it, as zot sends one.
        challenge: Option<AuthScheme>,
    },
}

impl Ping {
    /// How the registry asks to authenticate, if it does.
    pub const fn scheme(&self) -> Option<&AuthScheme> {
        match self {
            Self::Asks(scheme) => Some(scheme),
            Self::Anonymous { challenge } => challenge.as_ref(),
        }
    }
}

/// Why a registry's answers don't decide whether a credential is good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inconclusive {
    /// Only transient failures until the registry's share of the deadline was over.
    Unreachable(ProtocolError),
    /// Its certificate is not trusted, or its token service is on a host that may not receive the credential.
    Untrusted(UntrustedParty),
    /// The answer is not one of the registry protocol.
    Protocol(ProtocolError),
    /// It allows anonymous access, with this credential too.
    Anonymous,
    /// No request was sent (`PULL_SECRET_VERIFY`).
    NotAsked,
    /// It pulls; where RBAC decides, whether it may push was not answered.
    PushNotAsked,
}

/// Outcome of a request that doesn't decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProtocolError {
    /// The exchange failed below HTTP.
    Failed(Failure),
    /// A status that the protocol has no meaning for here.
    Status(StatusCode),
    /// A 401 although the API server accepts the credential and permits the pull.
    Refused,
    /// A 401 whose challenge is neither Basic nor Bearer.
    Challenge,
    /// A token service whose answer holds no token.
    NoToken,
    /// A token service without https: its scheme and host.
    PlainTokenService(String),
    /// A token service that answers no login, and gives anonymous clients a token that pulls the image.
    LoginNotAnswered,
    /// A redirect to this host, which is not followed, or not to a manifest.
    Redirects(String),
    /// More redirects than are followed.
    RedirectsTooOften,
    /// A redirect of the token service to this host.
    TokenServiceRedirects(String),
    /// The manifest of another digest than the one asked for.
    OtherDigest,
    /// A success that is not from a registry: a health check, a login page, another program.
    NotARegistry,
    /// A success without a manifest.
    NotAManifest,
}

impl From<ProtocolError> for Inconclusive {
    fn from(error: ProtocolError) -> Self {
        Self::Protocol(error)
    }
}

impl ProtocolError {
    /// Last outcome of an exchange that was retried until the deadline.
    pub(super) fn of_exchange(outcome: &Result<Answer, Failure>) -> Self {
        match outcome {
            Ok(answer) => Self::Status(answer.status),
            Err(failure) => Self::Failed(failure.clone()),
        }
    }
}

/// Party that is not trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UntrustedParty {
    /// The certificate of the registry or of its token service.
    Certificate {
        /// Host and port, as in a URL.
        host: String,
        /// Why it is not trusted.
        failure: CertificateFailure,
        /// The proxy on the way to it, as messages name it.
        proxy: Option<String>,
    },
    /// Host of the token service in the registry's Bearer challenge.
    Realm(String),
}

/// How to authenticate a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authorization {
    /// This header; none without credentials.
    Header(Option<HeaderValue>),
    /// The token service refuses the credential.
    Refused,
}

/// The answer to a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    /// Accepted, or not refused where the registry allows anonymous access.
    Accepted,
    /// 401 or 403, and 400 to a Basic login.
    Refused,
    /// A token service's 400: it answers no request without a scope.
    NeedsScope,
    /// The answer doesn't decide.
    Inconclusive(Inconclusive),
}

/// The answer to one image's manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PullAnswer {
    /// The manifest.
    Served,
    /// 404: no such repository.
    RepositoryMissing,
    /// 404: no such tag or digest.
    TagMissing,
    /// 403, or 401 to a token of the token service: this may not be pulled.
    Forbidden,
    /// 401, or no token from the token service: the credential or its permission.
    Refused,
    /// The answer doesn't decide.
    Inconclusive(Inconclusive),
}

/// Verdict of a registry on a credential, or on one image with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegistryVerdict {
    /// It is accepted and pulls the image (and may push, where that was asked for).
    Pulls,
    /// It is accepted; no image was asked for.
    Accepted,
    /// It is accepted; the repository is not there, or hidden from it.
    RepositoryMissing,
    /// It is accepted; the tag or digest is not there, or hidden from it.
    TagMissing,
    /// It is accepted and may not pull.
    PullForbidden,
    /// It pulls and may not push, which was asked for.
    PushForbidden,
    /// It is not accepted.
    Rejected,
    /// The registry's answers don't decide.
    Inconclusive(Inconclusive),
}
