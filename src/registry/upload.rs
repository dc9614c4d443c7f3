//! Whether a credential may push to a repository (distribution spec, Pushing Blobs).

use http::{HeaderValue, Method, StatusCode, Uri, header::LOCATION};

use super::{
    AuthScheme, Authorization, Inconclusive, RegistryVerdict, Session,
    client::{Purpose, url},
    response,
};
use crate::{
    image::{HTTPS_PORT, ImageReference, RegistryHost},
    transport::Answer,
};

/// Starts an upload, as go-containerregistry's `CheckPushPermission` does, and cancels it: no content is sent. Only for
/// an image that was found: Quay creates a repository for the token alone. Where RBAC decides, an access review answers the
/// same without an upload.
pub async fn may_push(session: &Session<'_>, image: &ImageReference) -> RegistryVerdict {
    ask(session, image)
        .await
        .unwrap_or_else(RegistryVerdict::Inconclusive)
}

async fn ask(session: &Session<'_>, image: &ImageReference) -> Result<RegistryVerdict, Inconclusive> {
    let started = start(session, image).await?;
    let asked = started
        .as_ref()
        .filter(|(answer, _)| answer.status == StatusCode::UNAUTHORIZED);
    let asked = asked.and_then(|(answer, _)| {
        let asked = AuthScheme::of_challenge(session.registry, &answer.headers)?;
        session.asked_otherwise(Some(&asked))
    });
    let started = match &asked {
        Some(other) => start(other, image).await?,
        None => started,
    };
    let Some((answer, authorization)) = started else {
        return Ok(RegistryVerdict::PushForbidden);
    };
    let verdict = response::upload(&answer)?;
    if verdict == RegistryVerdict::Pulls {
        cancel(session, image, &answer, authorization.as_ref()).await;
    }
    Ok(verdict)
}

/// Starts an upload; none where the token service refuses.
async fn start(
    session: &Session<'_>,
    image: &ImageReference,
) -> Result<Option<(Answer, Option<HeaderValue>)>, Inconclusive> {
    let Authorization::Header(authorization) = session.authorize(Some((image, "pull,push"))).await? else {
        return Ok(None);
    };
    let uploads = url(session.registry, &uploads_path(image));
    let answer = session.send(Purpose::Other, &Method::POST, &uploads, authorization.as_ref());
    Ok(Some((answer.await?, authorization)))
}

/// Cancels the upload at its `Location`. Where that fails the registry drops it in time.
async fn cancel(
    session: &Session<'_>,
    image: &ImageReference,
    answer: &Answer,
    authorization: Option<&HeaderValue>,
) {
    let location = answer
        .headers
        .get(LOCATION)
        .and_then(|location| location.to_str().ok());
    if let Some(upload) = location.and_then(|location| upload_url(session.registry, image, location)) {
        let _ = session
            .send(Purpose::Other, &Method::DELETE, &upload, authorization)
            .await;
    }
}

fn uploads_path(image: &ImageReference) -> String {
    format!("/v2/{}/blobs/uploads/", image.repository())
}

/// The URL of an upload of this image's repository, and of nothing else on this registry or another host: a request to
/// any other path would carry the credential, and delete what is there.
fn upload_url(registry: &RegistryHost, image: &ImageReference, location: &str) -> Option<String> {
    let whole = if location.starts_with('/') {
        url(registry, location)
    } else {
        location.to_owned()
    };
    let uri: Uri = whole.parse().ok()?;
    let is_own = uri.scheme_str() == Some("https")
        && registry
            .dial()
            .is(uri.host()?, uri.port_u16().unwrap_or(HTTPS_PORT));
    let id = uri.path().strip_prefix(&uploads_path(image))?;
    let is_plain = id
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-._~=+:/".contains(&byte))
        && id.split('/').all(|segment| !matches!(segment, "" | "." | ".."));
    (is_own && is_plain).then(|| {
        url(
            registry,
            &uri.path_and_query().map_or_else(String::new, ToString::to_string),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s13_an_upload_is_cancelled_only_below_its_repository() {
        let image = ImageReference::parse("registry.test:5000/team/app:1").expect("an image");
        let registry = |text| RegistryHost::parse(text).expect("a registry");
        for (location, expected) in [
            ("/v2/team/app/blobs/uploads/7b1", true),
            ("/v2/team/app/blobs/uploads/7b1?_state=ab%2Bc%3D", true),
            ("/v2/team/app/blobs/uploads/uploads/7b1", true),
            ("https://registry.test:5000/v2/team/app/blobs/uploads/7b1", true),
            ("/v2/team/app/blobs/uploads/", false),
            ("/v2/team/app/blobs/uploads/?id=1", false),
            ("/v2/team/app/blobs/uploads/../../manifests/1", false),
            ("/v2/team/app/blobs/uploads/%2e%2e/%2e%2e/manifests/1", false),
            ("/v2/team/app/blobs/uploads/a//b", false),
            ("/v2/team/app/blobs/uploads/a/./b", false),
            ("/v2/team/app/manifests/1", false),
            ("/v2/other/app/blobs/uploads/7b1", false),
            ("/v2/team/app/blobs/uploadsX/7b1", false),
            ("/api/v1/users/1", false),
            ("/", false),
            ("", false),
            ("7b1", false),
            ("//evil.test/v2/team/app/blobs/uploads/7b1", false),
            ("https://evil.test/v2/team/app/blobs/uploads/7b1", false),
            (
                "https://registry.test:5000@evil.test/v2/team/app/blobs/uploads/7b1",
                false,
            ),
            ("https://registry.test:50001/v2/team/app/blobs/uploads/7b1", false),
            ("http://registry.test:5000/v2/team/app/blobs/uploads/7b1", false),
        ] {
            let found = upload_url(&registry("registry.test:5000"), &image, location);
            assert_eq!(found.is_some(), expected, "{location}");
            let base = "https://registry.test:5000/v2/team/app/blobs/uploads/";
            assert!(found.is_none_or(|found| found.starts_with(base)), "{location}");
        }
        // Host and port are compared, not their spelling; user and fragment are not sent.
        let upload = "v2/team/app/blobs/uploads/7b1";
        for (host, location) in [
            ("registry.test", "https://registry.test:443/"),
            ("registry.test:443", "https://registry.test/"),
            ("registry.test", "HTTPS://Registry.TEST/"),
            ("registry.test", "https://user:pw@registry.test/"),
        ] {
            let found = upload_url(&registry(host), &image, &format!("{location}{upload}?a=b#c"));
            assert_eq!(
                found,
                Some(format!("https://registry.test/{upload}?a=b")),
                "{location}"
            );
        }
    }
}
