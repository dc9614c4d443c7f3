//! Registries with a token service.
//!
//! The login is a token request without a scope: with a scope, many services give a wrong password an anonymous token,
//! which pulls every public image.

use futures_util::future::{join, join_all};

use super::{Answers, Kind, Login, ProtocolError, PullAnswer, RegistryVerdict, accepted, login_verdict};
use crate::{
    image::ImageReference,
    registry::{Session, session::ManifestAnswer},
};

/// Registries with a token service.
pub(super) struct Bearer;

impl Kind for Bearer {
    /// The token service gave a token: it knows the credential, or allows anonymous access.
    fn manifest_refused(&self) -> PullAnswer {
        PullAnswer::Forbidden
    }
}

/// Sends the login and the first image's request at the same time, the other images' once the login is accepted.
pub(super) async fn verify(session: &Session<'_>, images: &[&ImageReference], push: bool) -> Answers {
    let Some((first, others)) = images.split_first() else {
        return Answers::all(&login_verdict(session.confirmed_login().await), images);
    };
    let ask = async |image: &&ImageReference| accepted(session, image, session.pull(image).await, push).await;
    let login_then_others = async {
        let login = session.login().await;
        let verdicts = match login {
            Login::Accepted => join_all(others.iter().map(ask)).await,
            Login::Refused | Login::NeedsScope | Login::Inconclusive(_) => Vec::new(),
        };
        (login, verdicts)
    };
    let (answer, (login, verdicts)) = join(session.pull(first), login_then_others).await;
    let (first_verdict, others_verdicts) = match login {
        Login::Accepted => (accepted(session, first, answer, push).await, verdicts),
        login => {
            let verdict = without_login(session, first, login, answer, push).await;
            let others = if is_accepted(&verdict) {
                join_all(others.iter().map(ask)).await
            } else {
                vec![verdict.clone(); others.len()]
            };
            (verdict, others)
        }
    };
    Answers {
        login: None,
        images: std::iter::once(first_verdict).chain(others_verdicts).collect(),
    }
}

/// The verdicts on the images whose repository asks for a token, in order. Its token service's login is verified too: with
/// a scope it may give anybody a token.
pub(super) async fn asked_by(
    session: &Session<'_>,
    images: &[&ImageReference],
    found: &[ManifestAnswer],
    push: bool,
) -> Vec<RegistryVerdict> {
    let asked = images.iter().zip(found);
    let mut asked = asked.filter_map(|(image, found)| Some((*image, found.asks_for_token()?)));
    let Some((first, scheme)) = asked.next() else {
        return Vec::new();
    };
    let images: Vec<_> = std::iter::once(first)
        .chain(asked.map(|(image, _)| image))
        .collect();
    if session.scheme.as_ref() == Some(scheme) {
        return verify(session, &images, push).await.images;
    }
    session.remark_challenge();
    verify(&session.with_scheme(scheme), &images, push).await.images
}

/// The verdict on the first image where the token service didn't accept the login.
async fn without_login(
    session: &Session<'_>,
    image: &ImageReference,
    login: Login,
    answer: PullAnswer,
    push: bool,
) -> RegistryVerdict {
    let login = match login {
        Login::Refused => session.confirm_refusal().await,
        login => login,
    };
    let answer = match login {
        Login::NeedsScope => session.confirm_pull(image, answer).await,
        _ => answer,
    };
    let asks_anonymously = match login {
        Login::Accepted | Login::Inconclusive(_) => false,
        Login::Refused | Login::NeedsScope => matches!(
            answer,
            PullAnswer::Served | PullAnswer::RepositoryMissing | PullAnswer::TagMissing
        ),
    };
    let anonymous = if asks_anonymously {
        let anonymous = session.without_credentials(session.scheme.clone());
        Some(anonymous.pull(image).await)
    } else {
        None
    };
    match conclude(login, answer, anonymous) {
        Ok(answer) => {
            session.accept();
            accepted(session, image, answer, push).await
        }
        Err(verdict) => verdict,
    }
}

/// The image's answer where it is about this credential, from login and image together; `anonymous` is the image's answer
/// without credentials, where it was requested.
///
/// - Refused: some services refuse every request without a scope. What the repository serves with this credential and
///   not without it shows that it is accepted.
/// - 400: the service answers no request without a scope. What anonymous clients may pull shows nothing.
///
/// # Errors
/// The verdict on the credential, where the image's answer is not about it.
pub(super) fn conclude(
    login: Login,
    answer: PullAnswer,
    anonymous: Option<PullAnswer>,
) -> Result<PullAnswer, RegistryVerdict> {
    let is_public = anonymous.as_ref() == Some(&answer);
    match (login, answer) {
        (Login::Accepted, answer) => Ok(answer),
        (Login::Inconclusive(inconclusive), _)
        | (Login::NeedsScope, PullAnswer::Inconclusive(inconclusive)) => {
            Err(RegistryVerdict::Inconclusive(inconclusive))
        }
        (Login::Refused | Login::NeedsScope, PullAnswer::Refused)
        | (Login::Refused, PullAnswer::Forbidden | PullAnswer::Inconclusive(_)) => {
            Err(RegistryVerdict::Rejected)
        }
        (Login::Refused, _) if is_public => Err(RegistryVerdict::Rejected),
        (Login::NeedsScope, PullAnswer::Served) if is_public => Err(RegistryVerdict::Inconclusive(
            ProtocolError::LoginNotAnswered.into(),
        )),
        (Login::Refused | Login::NeedsScope, answer) => match anonymous {
            // It can't be compared with what anonymous clients get.
            Some(PullAnswer::Inconclusive(inconclusive)) => Err(RegistryVerdict::Inconclusive(inconclusive)),
            _ => Ok(answer),
        },
    }
}

/// Whether a verdict shows that the credential is accepted.
fn is_accepted(verdict: &RegistryVerdict) -> bool {
    match verdict {
        RegistryVerdict::Pulls
        | RegistryVerdict::Accepted
        | RegistryVerdict::RepositoryMissing
        | RegistryVerdict::TagMissing
        | RegistryVerdict::PullForbidden
        | RegistryVerdict::PushForbidden => true,
        RegistryVerdict::Rejected | RegistryVerdict::Inconclusive(_) => false,
    }
}
