//! Registries whose `/v2/` answers 200 without credentials (zot, Nexus and Artifactory with anonymous access, open
//! registries), and servers that may be no registry.
//!
//! An image that anonymous clients may pull shows nothing about a credential. A repository that asks for credentials
//! does, and so does `/v2/`, where it refuses this credential.

use futures_util::future::join_all;

use super::{
    Answers, AuthScheme, Inconclusive, Kind, Login, ProtocolError, PullAnswer, RegistryVerdict, accepted,
    bearer,
};
use crate::{
    image::ImageReference,
    registry::{Session, session::ManifestAnswer},
};

/// Registries with anonymous access.
pub(in crate::registry) struct Anonymous;

impl Kind for Anonymous {}

/// Requests each image without credentials first. `unknown`: why `/v2/` didn't show that this is a registry; then no
/// credential is sent to it unless a repository shows it.
pub(super) async fn verify(
    mut session: Session<'_>,
    unknown: Option<Inconclusive>,
    images: &[&ImageReference],
    push: bool,
) -> Answers {
    let without = session.without_credentials(None);
    let found = join_all(images.iter().map(|image| without.manifest(image))).await;
    if let Some(inconclusive) = unknown
        && !found.iter().any(shows_a_registry)
    {
        return Answers::all(&RegistryVerdict::Inconclusive(inconclusive), images);
    }
    // What asks for a token is verified by `bearer`.
    let asked = found.iter().filter_map(|found| found.challenge.as_ref());
    let asked = asked.min_by_key(|asked| asked.is_bearer()).cloned();
    let is_asked_by_repository = session.scheme.is_none() && asked.is_some();
    if is_asked_by_repository {
        session.scheme = asked;
        session.remark_challenge();
    }
    let closed = match ask(&mut session, images, &found, is_asked_by_repository, push).await {
        Ok(verdicts) => verdicts,
        Err(verdict) => return Answers::all(&verdict, images),
    };
    // A repository that asks for credentials shows that this one is accepted: then it pulls the open ones too.
    let is_proven = closed
        .iter()
        .any(|verdict| matches!(verdict, RegistryVerdict::Pulls | RegistryVerdict::PushForbidden));
    let mut closed = closed.into_iter();
    let mut verdicts = Vec::with_capacity(images.len());
    for (image, found) in images.iter().zip(found) {
        let verdict = match found.answer {
            PullAnswer::Refused if found.challenge.is_some() => closed.next(),
            PullAnswer::Refused => None,
            PullAnswer::Served if is_proven => Some(accepted(&session, image, found.answer, push).await),
            PullAnswer::Served => Some(RegistryVerdict::Inconclusive(Inconclusive::Anonymous)),
            answer => Some(accepted(&session, image, answer, false).await),
        };
        let unsupported = RegistryVerdict::Inconclusive(ProtocolError::Challenge.into());
        verdicts.push(verdict.unwrap_or(unsupported));
    }
    // What is missing for anonymous clients too shows nothing about the credential.
    let shows_nothing = verdicts.iter().all(|verdict| {
        matches!(
            verdict,
            RegistryVerdict::RepositoryMissing | RegistryVerdict::TagMissing
        )
    });
    Answers {
        login: shows_nothing.then_some(RegistryVerdict::Inconclusive(Inconclusive::Anonymous)),
        images: verdicts,
    }
}

/// The verdicts on the images whose repositories ask for credentials, in order; `is_asked_by_repository` where `/v2/` does
/// not.
///
/// # Errors
/// The verdict on the credential, where it holds for the whole registry.
async fn ask(
    session: &mut Session<'_>,
    images: &[&ImageReference],
    found: &[ManifestAnswer],
    is_asked_by_repository: bool,
    push: bool,
) -> Result<Vec<RegistryVerdict>, RegistryVerdict> {
    let closed = || {
        images
            .iter()
            .zip(found)
            .filter(|(_, found)| found.challenge.is_some())
    };
    let by_token = bearer::asked_by(session, images, found, push).await;
    if by_token.contains(&RegistryVerdict::Rejected) {
        return Err(RegistryVerdict::Rejected);
    }
    let by_password = closed().filter(|(_, found)| found.asks_for_token().is_none());
    let by_password: Vec<&ImageReference> = by_password.map(|(image, _)| *image).collect();
    if by_password.is_empty() && !by_token.is_empty() {
        return Ok(by_token);
    }
    match login(session).await {
        Login::Accepted | Login::NeedsScope => {}
        Login::Refused => return Err(RegistryVerdict::Rejected),
        Login::Inconclusive(inconclusive) => return Err(RegistryVerdict::Inconclusive(inconclusive)),
    }
    let by_password = pull(session, &by_password, is_asked_by_repository, push).await?;
    let (mut by_password, mut by_token) = (by_password.into_iter(), by_token.into_iter());
    let in_order = closed().filter_map(|(_, found)| match found.asks_for_token() {
        Some(_) => by_token.next(),
        None => by_password.next(),
    });
    Ok(in_order.collect())
}

/// The verdicts on the images whose repositories ask for the password.
///
/// # Errors
/// The verdict on the credential: where `/v2/` doesn't ask for it, its 200 is no login, and the repositories show whether
/// it is accepted. Each of their refusals is a failed login then, so that two are asked, one after the other.
async fn pull(
    session: &Session<'_>,
    images: &[&ImageReference],
    is_asked_by_repository: bool,
    push: bool,
) -> Result<Vec<RegistryVerdict>, RegistryVerdict> {
    let mut known = vec![None; images.len()];
    if is_asked_by_repository {
        let mut refused = None;
        for (image, known) in images.iter().zip(&mut known) {
            let answer = match refused {
                None => session.pull_as_login(image).await,
                Some(_) => session.confirm_pull(image, PullAnswer::Refused).await,
            };
            match answer {
                PullAnswer::Refused if refused.is_some() => return Err(RegistryVerdict::Rejected),
                PullAnswer::Refused => refused = Some(image),
                PullAnswer::Inconclusive(_) => *known = Some(answer),
                answer => {
                    session.accept();
                    (*known, refused) = (Some(answer), None);
                    break;
                }
            }
        }
        if let Some(image) = refused
            && session.confirm_pull(image, PullAnswer::Refused).await == PullAnswer::Refused
        {
            return Err(RegistryVerdict::Rejected);
        }
    }
    let verdicts = images.iter().zip(known).map(async |(image, known)| {
        let answer = match known {
            Some(answer) => answer,
            None => session.pull(image).await,
        };
        accepted(session, image, answer, push).await
    });
    Ok(join_all(verdicts).await)
}

/// `/v2/` with the credential: 200 shows nothing, a refusal does. A refusal whose challenge is Bearer is answered.
async fn login(session: &mut Session<'_>) -> Login {
    let (mut login, challenge) = session.login_with_challenge().await;
    if let (Login::Refused, None, Some(scheme @ AuthScheme::Bearer { .. })) =
        (&login, &session.scheme, challenge)
    {
        session.scheme = Some(scheme);
        login = session.login().await;
    }
    match login {
        Login::Refused => session.confirm_refusal().await,
        login => login,
    }
}

/// A manifest, or a 401 with a challenge.
fn shows_a_registry(found: &ManifestAnswer) -> bool {
    found.answer == PullAnswer::Served || found.challenge.is_some()
}
