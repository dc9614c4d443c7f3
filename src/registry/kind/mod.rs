//! Kinds of registries: how each asks to authenticate, what its answers mean, and in which order it is asked (CONTRACT
//! section 5, "At a registry"). One file for each kind.
//!
//! What all kinds share is in `response.rs`, so a kind has only its differences.

mod anonymous;
mod basic;
mod bearer;
pub mod openshift;

use http::{HeaderMap, Method};

pub(super) use self::anonymous::Anonymous;
use self::{basic::Basic, bearer::Bearer, openshift::OpenShift};
use super::{
    Inconclusive, Login, Ping, ProtocolError, PullAnswer, RegistryVerdict, Session, challenge, upload,
};
use crate::{
    image::{ImageReference, RegistryHost},
    transport::Answer,
};

/// How a registry asks a client to authenticate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthScheme {
    /// User name and password, with each request.
    Basic,
    /// A token of its token service.
    Bearer {
        /// The token service's URL.
        realm: String,
        /// The `service` parameter of a token request, where the registry sent one.
        service: Option<String>,
    },
    /// OpenShift's registry: a Kubernetes token as the password, with each request.
    OpenShift,
}

impl AuthScheme {
    /// The scheme of a registry's challenge; none where it is neither Basic nor Bearer.
    pub fn of_challenge(registry: &RegistryHost, headers: &HeaderMap) -> Option<Self> {
        match challenge::read(headers)? {
            Self::Bearer { realm, .. } if openshift::is_realm(registry, &realm) => Some(Self::OpenShift),
            scheme => Some(scheme),
        }
    }

    /// What the registry asks for, in words.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Basic => "user name and password",
            Self::Bearer { .. } => "a token of its token service",
            Self::OpenShift => "a Kubernetes token, as OpenShift's does",
        }
    }

    /// Whether a token service is asked.
    pub(super) const fn is_bearer(&self) -> bool {
        matches!(self, Self::Bearer { .. })
    }

    /// The kind of registry that asks so.
    pub fn kind(&self) -> &'static dyn Kind {
        match self {
            Self::Basic => &Basic,
            Self::Bearer { .. } => &Bearer,
            Self::OpenShift => &OpenShift,
        }
    }
}

/// What differs between kinds of registries. The defaults are the distribution spec's.
pub trait Kind: Sync {
    /// What 401 to a manifest request means.
    fn manifest_refused(&self) -> PullAnswer {
        PullAnswer::Refused
    }

    /// Whether this error code of a 404 to a manifest request means that the tag alone is missing.
    fn is_missing_tag(&self, _code: &str) -> bool {
        false
    }

    /// Whether an answer reports an outage behind the registry, and is retried.
    fn is_outage(&self, _method: &Method, _answer: &Answer) -> bool {
        false
    }

    /// Whether the API server's RBAC decides who may pull, so that a refusal leaves a question to the API server.
    fn uses_rbac(&self) -> bool {
        false
    }
}

/// The kind of a registry whose answers don't show it: by its name.
pub fn by_name(registry: &RegistryHost) -> &'static dyn Kind {
    if registry.is_cluster_internal() {
        &OpenShift
    } else {
        &Anonymous
    }
}

/// The kind of a registry by its answer to `GET /v2/` without credentials.
pub fn by_ping(registry: &RegistryHost, ping: &Result<Ping, Inconclusive>) -> &'static dyn Kind {
    match ping {
        Ok(ping) => ping.scheme().map_or(&Anonymous, AuthScheme::kind),
        Err(_) => by_name(registry),
    }
}

/// What one registry's answers mean for one credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answers {
    /// For the credential itself, where no image shows it.
    pub login: Option<RegistryVerdict>,
    /// For each image, in the order asked.
    pub images: Vec<RegistryVerdict>,
}

impl Answers {
    /// The same verdict on the credential and on each image.
    fn all(verdict: &RegistryVerdict, images: &[&ImageReference]) -> Self {
        Self {
            login: images.is_empty().then(|| verdict.clone()),
            images: vec![verdict.clone(); images.len()],
        }
    }
}

/// Verifies the session's credential, and each image with it, at a registry that decides by itself; `push` where it has
/// to push too. `ping` is the registry's answer without credentials.
pub async fn verify(
    session: Session<'_>,
    ping: Result<Ping, Inconclusive>,
    images: &[&ImageReference],
    push: bool,
) -> Answers {
    match ping {
        Ok(Ping::Asks(AuthScheme::Basic | AuthScheme::OpenShift)) => {
            basic::verify(&session, images, push).await
        }
        Ok(Ping::Asks(AuthScheme::Bearer { .. })) => bearer::verify(&session, images, push).await,
        Ok(Ping::Anonymous { .. }) => anonymous::verify(session, None, images, push).await,
        // Where `/v2/` doesn't show a registry, an image's repository may. OpenShift's always asks there.
        Err(
            inconclusive @ Inconclusive::Protocol(
                ProtocolError::Status(_)
                | ProtocolError::Challenge
                | ProtocolError::NotARegistry
                | ProtocolError::Redirects(_)
                | ProtocolError::RedirectsTooOften,
            ),
        ) if !by_name(session.registry).uses_rbac() => {
            anonymous::verify(session, Some(inconclusive), images, push).await
        }
        Err(inconclusive) => Answers::all(&RegistryVerdict::Inconclusive(inconclusive), images),
    }
}

/// The verdict on the credential alone.
fn login_verdict(login: Login) -> RegistryVerdict {
    match login {
        Login::Accepted => RegistryVerdict::Accepted,
        Login::Refused => RegistryVerdict::Rejected,
        Login::NeedsScope => RegistryVerdict::Inconclusive(ProtocolError::LoginNotAnswered.into()),
        Login::Inconclusive(inconclusive) => RegistryVerdict::Inconclusive(inconclusive),
    }
}

/// The verdict on an image whose credential is accepted; push is tried only where the image was found.
async fn accepted(
    session: &Session<'_>,
    image: &ImageReference,
    answer: PullAnswer,
    push: bool,
) -> RegistryVerdict {
    match answer {
        PullAnswer::Served if push => upload::may_push(session, image).await,
        PullAnswer::Served => RegistryVerdict::Pulls,
        PullAnswer::RepositoryMissing => RegistryVerdict::RepositoryMissing,
        PullAnswer::TagMissing => RegistryVerdict::TagMissing,
        PullAnswer::Forbidden | PullAnswer::Refused => RegistryVerdict::PullForbidden,
        PullAnswer::Inconclusive(inconclusive) => RegistryVerdict::Inconclusive(inconclusive),
    }
}

#[cfg(test)]
mod tests;
