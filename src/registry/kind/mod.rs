//! What the answers of one registry mean together, one file for each way to authenticate.

mod anonymous;
mod basic;
mod bearer;
pub mod openshift;

use super::{
    AuthScheme, Inconclusive, Login, Ping, ProtocolError, PullAnswer, RegistryVerdict, Session, upload,
};
use crate::image::ImageReference;

/// What one registry says about one credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answers {
    /// About the credential itself, where no image tells.
    pub login: Option<RegistryVerdict>,
    /// About each image, in the order asked.
    pub images: Vec<RegistryVerdict>,
}

impl Answers {
    /// The same verdict on the credential and on each image.
    pub fn all(verdict: &RegistryVerdict, images: &[&ImageReference]) -> Self {
        Self {
            login: images.is_empty().then(|| verdict.clone()),
            images: vec![verdict.clone(); images.len()],
        }
    }
}

/// Asks a registry other than OpenShift's about the session's credential, and about each image with it; `push` where it
/// has to push too. `ping` is the registry's answer without credentials.
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
        Ok(Ping::Anonymous { is_registry, .. }) => {
            let unknown = (!is_registry).then_some(Inconclusive::Protocol(ProtocolError::NotARegistry));
            anonymous::verify(session, unknown, images, push).await
        }
        // Where `/v2/` tells nothing, an image's repository may.
        Err(
            inconclusive @ Inconclusive::Protocol(
                ProtocolError::Status(_) | ProtocolError::Challenge | ProtocolError::NotARegistry,
            ),
        ) if !images.is_empty() => anonymous::verify(session, Some(inconclusive), images, push).await,
        Err(inconclusive) => Answers::all(&RegistryVerdict::Inconclusive(inconclusive), images),
    }
}

/// The verdict on the credential alone.
fn login_verdict(login: Login) -> RegistryVerdict {
    match login {
        Login::Accepted => RegistryVerdict::Accepted,
        Login::Refused => RegistryVerdict::Rejected,
        Login::NeedsScope => {
            RegistryVerdict::Inconclusive(Inconclusive::Protocol(ProtocolError::LoginNotAnswered))
        }
        Login::Inconclusive(inconclusive) => RegistryVerdict::Inconclusive(inconclusive),
    }
}

/// The verdict on an image whose credential is accepted; push is asked only where the image was found.
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
