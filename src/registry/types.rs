//! What a registry asks for, and what it says about a credential: data alone.

use http::{HeaderValue, StatusCode};

use super::kind::AuthScheme;
use crate::transport::{Answer, Failure};

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
    /// No answer, or none but "later", until the registry's share of the deadline was over.
    Unreachable(ProtocolError),
    /// Its certificate is not trusted, or it asks for the credential on behalf of a host that may not have it.
    Untrusted(UntrustedParty),
    /// The answer is not one of the registry protocol.
    Protocol(ProtocolError),
    /// It allows anonymous access, with this credential too.
    Anonymous,
    /// It was not to be asked (`PULL_SECRET_VERIFY`).
    NotAsked,
}

/// What came back instead of an answer that decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// A token service that isn't https.
    PlainTokenService,
    /// A token service that answers no login, and gives everybody a token that pulls the image.
    LoginNotAnswered,
    /// The manifest of another digest than the one asked for.
    OtherDigest,
    /// A success that no registry sends: a health check, a login page, another program.
    NotARegistry,
    /// A success for a manifest that brings none.
    NotAManifest,
}

impl From<ProtocolError> for Inconclusive {
    fn from(error: ProtocolError) -> Self {
        Self::Protocol(error)
    }
}

impl ProtocolError {
    /// An exchange that was retried in vain.
    pub(super) fn of_exchange(outcome: &Result<Answer, Failure>) -> Self {
        match outcome {
            Ok(answer) => Self::Status(answer.status),
            Err(failure) => Self::Failed(*failure),
        }
    }
}

/// Who is not trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UntrustedParty {
    /// The registry's certificate.
    Certificate,
    /// The host, named by the registry's Bearer challenge, to which the credential would go.
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
    /// Accepted, or not refused where the registry lets everybody in.
    Accepted,
    /// 401 or 403, and 400 to a Basic login.
    Refused,
    /// A token service's 400: it answers no request without a scope.
    NeedsScope,
    /// It doesn't tell.
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
    /// It doesn't tell.
    Inconclusive(Inconclusive),
}

/// What a registry says about a credential, or about one image with it.
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
