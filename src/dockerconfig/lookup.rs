//! Lookup in the stored document as clients do it: the kubelet, and users of containers/image (skopeo, buildah, podman).

use secrecy::ExposeSecret;

use crate::{
    credential::{Credential, Token},
    dockerconfig::{AuthConfig, containers_image_reads, kubelet_reads},
    image::{ImageReference, RegistryHost},
    outcome::{Finding, Reason},
    text::clip_name,
};

/// Finding `no-matching-entry` if the kubelet does not find `credential` for one of `images`. None if it rejects the whole
/// document, which is another finding.
pub fn kubelet_misses(
    images: &[&ImageReference],
    document: &[u8],
    credential: &Credential,
) -> Option<Finding> {
    let keyring = kubelet_reads(document).ok()?;
    let missed = images
        .iter()
        .find(|image| !keyring.lookup(image).iter().any(|found| is(credential, found)))?;
    let shown = clip_name(&missed.to_string(), 120);
    Some(
        Finding::new(
            Reason::NoMatchingEntry,
            format!("the kubelet does not find the managed entry for {shown}"),
        )
        .about(missed.to_string()),
    )
}

/// The credential that the kubelet takes first for `registry`: for one of its `images`, else for any image there.
pub fn credential_found<'a>(
    document: &[u8],
    registry: &RegistryHost,
    images: impl Iterator<Item = &'a ImageReference>,
) -> Option<Credential> {
    let keyring = kubelet_reads(document).ok()?;
    let any_image = ImageReference::parse(&format!("{registry}/image")).ok();
    images.cloned().chain(any_image).find_map(|image| {
        let found = keyring
            .lookup(&image)
            .into_iter()
            .find(|found| !found.username.is_empty() && !found.password.expose_secret().is_empty())?;
        Some(Credential::of(
            &found.username,
            Token::new(found.password.clone()),
        ))
    })
}

/// Notes about images for which containers/image does not use the managed entry, but a more specific unmanaged entry or a
/// credential helper. Pods can still pull, since the kubelet tries all matching entries.
pub fn containers_image_prefers_others(
    images: &[&ImageReference],
    document: &[u8],
    credential: &Credential,
) -> Vec<String> {
    let file = match containers_image_reads(document) {
        Ok(file) => file,
        Err(refusal) => return vec![format!("skopeo and buildah cannot use the document: {refusal}.")],
    };
    let prefers_others =
        |image: &&&ImageReference| !matches!(file.lookup(image), Ok(Some(found)) if is(credential, &found));
    images
        .iter()
        .filter(prefers_others)
        .map(|image| {
            format!(
                "For {} skopeo and buildah do not use the managed entry: another entry or a credential helper takes precedence.",
                clip_name(&image.to_string(), 160)
            )
        })
        .collect()
}

/// True if a client found exactly this credential.
pub fn is(credential: &Credential, found: &AuthConfig) -> bool {
    found.username == credential.username
        && found.password.expose_secret() == credential.token.secret().expose_secret()
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;
    use crate::credential::Token;

    fn missed(document: &str) -> Option<Reason> {
        let image = ImageReference::parse("quay.io/team/app:1").expect("an image");
        kubelet_misses(&[&image], document.as_bytes(), &credential()).map(|finding| finding.reason)
    }

    fn preferred(document: &str) -> usize {
        let image = ImageReference::parse("quay.io/team/app:1").expect("an image");
        containers_image_prefers_others(&[&image], document.as_bytes(), &credential()).len()
    }

    fn credential() -> Credential {
        Credential::of("robot", Token::new(SecretString::from("pw")))
    }

    /// `robot:pw`, and `other:pw`.
    const OURS: &str = r#""quay.io":{"auth":"cm9ib3Q6cHc="}"#;
    const OTHERS: &str = r#""quay.io/team":{"auth":"b3RoZXI6cHc="}"#;

    #[test]
    fn p11_credential_of_a_registry_is_the_one_the_kubelet_uses() {
        let registry = |text: &str| RegistryHost::parse(text).expect("a registry");
        let image = ImageReference::parse("quay.io/team/app:1").expect("an image");
        let found = |document: &str, name: &str, images: &[ImageReference]| {
            let found = credential_found(document.as_bytes(), &registry(name), images.iter());
            found.map(|found| found.username)
        };
        let robot = Some("robot".to_owned());
        for key in ["quay.io", "https://quay.io", "quay.io/v2/", "quay.io/"] {
            let document = format!(r#"{{"auths":{{"{key}":{{"auth":"cm9ib3Q6cHc="}}}}}}"#);
            assert_eq!(found(&document, "quay.io", &[]), robot, "{key}");
            assert_eq!(found(&document, "quay.io/team", &[]), robot, "{key}");
            assert_eq!(found(&document, "ghcr.io", &[]), None, "{key}");
        }
        let narrowed = r#"{"auths":{"quay.io/team":{"auth":"cm9ib3Q6cHc="}}}"#;
        assert_eq!(found(narrowed, "quay.io", &[]), None);
        assert_eq!(found(narrowed, "quay.io", &[image]), robot);
        for entry in ["{}", r#"{"auth":"Og=="}"#, r#"{"username":"robot"}"#] {
            let document = format!(r#"{{"auths":{{"quay.io":{entry}}}}}"#);
            assert_eq!(found(&document, "quay.io", &[]), None, "{entry}");
        }
        assert_eq!(found("none", "quay.io", &[]), None);
    }

    #[test]
    fn managed_entry_is_found_by_both() {
        let document = format!(r#"{{"auths":{{{OURS}}}}}"#);
        assert_eq!((missed(&document), preferred(&document)), (None, 0));
    }

    #[test]
    fn more_specific_entry_takes_precedence_for_containers_image() {
        let document = format!(r#"{{"auths":{{{OURS},{OTHERS}}}}}"#);
        assert_eq!((missed(&document), preferred(&document)), (None, 1));
    }

    #[test]
    fn credential_helper_takes_precedence_for_containers_image() {
        let document = format!(r#"{{"auths":{{{OURS}}},"credHelpers":{{"quay.io":"x"}}}}"#);
        assert_eq!(preferred(&document), 1);
    }

    #[test]
    fn document_that_containers_image_rejects_is_noted_once() {
        let image = ImageReference::parse("quay.io/team/app:1").expect("an image");
        let notes = containers_image_prefers_others(&[&image, &image], b"[]", &credential());
        assert_eq!(
            notes,
            [
                "skopeo and buildah cannot use the document: containers/image can't read the document: it is not a \
              JSON object."
            ]
        );
        assert_eq!(missed("[]"), None, "another finding");
    }

    #[test]
    fn entry_that_does_not_match_is_a_finding() {
        let document = r#"{"auths":{"other.test":{"auth":"cm9ib3Q6cHc="}}}"#;
        assert_eq!(missed(document), Some(Reason::NoMatchingEntry));
    }
}
