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
    registry::{Remark, Session, session::ManifestAnswer},
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
    if session.scheme.is_none() {
        session.scheme = found.iter().find_map(|found| found.challenge.clone());
        if session.scheme.is_some() {
            session.remark(Remark::ChallengeOfRepositoryAlone(session.registry.clone()));
        }
    }
    let closed: Vec<&ImageReference> = images
        .iter()
        .zip(&found)
        .filter(|(_, found)| found.challenge.is_some())
        .map(|(image, _)| *image)
        .collect();
    let closed = match ask(&mut session, &closed, push).await {
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

/// The verdicts on the images whose repositories ask for credentials.
///
/// # Errors
/// The verdict on the credential, where it holds for the whole registry.
async fn ask(
    session: &mut Session<'_>,
    closed: &[&ImageReference],
    push: bool,
) -> Result<Vec<RegistryVerdict>, RegistryVerdict> {
    if matches!(session.scheme, Some(AuthScheme::Bearer { .. })) && !closed.is_empty() {
        let verdicts = bearer::verify(session, closed, push).await.images;
        return if verdicts.contains(&RegistryVerdict::Rejected) {
            Err(RegistryVerdict::Rejected)
        } else {
            Ok(verdicts)
        };
    }
    match login(session).await {
        Login::Accepted | Login::NeedsScope => {}
        Login::Refused => return Err(RegistryVerdict::Rejected),
        Login::Inconclusive(inconclusive) => return Err(RegistryVerdict::Inconclusive(inconclusive)),
    }
    let Some((first, others)) = closed.split_first() else {
        return Ok(Vec::new());
    };
    // `/v2/` showed nothing: the first repository's answer is the login.
    let answer = session.confirmed_pull(first).await;
    match answer {
        PullAnswer::Refused => return Err(RegistryVerdict::Rejected),
        PullAnswer::Served => session.accept(),
        _ => {}
    }
    let first = accepted(session, first, answer, push).await;
    let others = others
        .iter()
        .map(async |image| accepted(session, image, session.pull(image).await, push).await);
    Ok(std::iter::once(first).chain(join_all(others).await).collect())
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
