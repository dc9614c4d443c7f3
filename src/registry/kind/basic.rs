//! Registries with Basic authentication: user name and password with each request.

use futures_util::future::join_all;

use super::{Answers, Kind, Login, accepted, login_verdict};
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
    let verdicts = images
        .iter()
        .map(async |image| accepted(session, image, session.pull(image).await, push).await);
    Answers {
        login: None,
        images: join_all(verdicts).await,
    }
}
