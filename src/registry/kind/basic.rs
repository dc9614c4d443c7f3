//! Registries with Basic authentication: user name and password with each request.

use futures_util::future::join_all;

use super::{Answers, Kind, Login, accepted, bearer, login_verdict};
use crate::{image::ImageReference, registry::Session};

/// Registries with Basic authentication.
pub(super) struct Basic;

impl Kind for Basic {}

/// Sends the login first: such a registry may serve a public image whatever the password.
pub(super) async fn verify(session: &Session<'_>, images: &[&ImageReference], push: bool) -> Answers {
    let login = session.confirmed_login().await;
    if images.is_empty() || login != Login::Accepted {
        return Answers::all(&login_verdict(login), images);
    }
    let found = join_all(images.iter().map(|image| session.manifest(image))).await;
    let mut by_token = bearer::asked_by(session, images, &found, push).await.into_iter();
    let verdicts = images.iter().zip(found).map(|(image, found)| {
        let by_token = found.asks_for_token().and_then(|_| by_token.next());
        async move {
            match by_token {
                Some(verdict) => verdict,
                None => accepted(session, image, found.answer, push).await,
            }
        }
    });
    Answers {
        login: None,
        images: join_all(verdicts).await,
    }
}
