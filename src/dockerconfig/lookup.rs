//! Lookup in the stored document as clients do it: the kubelet, and users of containers/image (skopeo, buildah, podman).

use std::cell::RefCell;

use secrecy::ExposeSecret;

use crate::{
    credential::{Credential, Token},
    dockerconfig::{
        AuthConfig, AuthFile, ContainersImageLookupError, Document, Entry, Keyring,
        containers_image_reads_for, go_json::Member, kubelet_reads_for,
    },
    image::{ImageReference, KeyringIndex, RegistryHost},
    outcome::{Finding, Reason},
    text::{SafeName, clip_name},
};

/// Finding `no-matching-entry` if the kubelet does not find `credential` for one of `images`. None if it rejects the whole
/// document, which is another finding.
pub fn kubelet_misses(
    images: &[&ImageReference],
    document: &[u8],
    credential: &Credential,
) -> Option<Finding> {
    let keyring = kubelet_reads_for(document, images).ok()?;
    images
        .iter()
        .find_map(|image| misses(&keyring, image, credential))
}

/// Finding `no-matching-entry` if the kubelet does not find `credential` for `image`.
pub fn misses(keyring: &Keyring, image: &ImageReference, credential: &Credential) -> Option<Finding> {
    let is_found = keyring.lookup(image).iter().any(|found| is(credential, found));
    let cause = || {
        let shown = clip_name(&image.to_string(), 120);
        format!("the kubelet does not find the managed entry for {shown}")
    };
    (!is_found).then(|| Finding::new(Reason::NoMatchingEntry, cause()).about(image.to_string()))
}

/// The credential that the kubelet takes first for `registry`: for one of its `images`, else for any image there.
pub fn credential_found<'a>(
    document: &[u8],
    registry: &RegistryHost,
    images: impl Iterator<Item = &'a ImageReference>,
) -> Option<Credential> {
    let any_image = ImageReference::parse(&format!("{registry}/image")).ok();
    let images: Vec<ImageReference> = images.cloned().chain(any_image).collect();
    let images: Vec<&ImageReference> = images.iter().collect();
    let keyring = kubelet_reads_for(document, &images).ok()?;
    images.iter().find_map(|image| {
        let found = keyring
            .lookup(image)
            .into_iter()
            .find(|found| !found.username.is_empty() && !found.password.expose_secret().is_empty())?;
        Some(Credential::of(
            &found.username,
            Token::new(found.password.clone()),
        ))
    })
}

/// Entry of an index, with what is known about it at one registry.
pub struct IndexedEntry<'a, Known> {
    member: Member<'a>,
    known: RefCell<Option<(&'a RegistryHost, Known)>>,
}

impl<'a, Known: Clone> IndexedEntry<'a, Known> {
    /// What is known about the entry at `registry`: the last one, or what `examine` finds for its key.
    pub fn known(&self, registry: &'a RegistryHost, examine: impl FnOnce(&str, Entry) -> Known) -> Known {
        let mut last = self.known.borrow_mut();
        match &*last {
            Some((at, known)) if *at == registry => known.clone(),
            _ => {
                let known = examine(&self.member.name, Entry::read(self.member.value));
                *last = Some((registry, known.clone()));
                known
            }
        }
    }
}

/// Entries of a document that the kubelet could try for some images, by its index; malformed ones included.
pub struct EntryIndex<'a, Known>(Keyring<IndexedEntry<'a, Known>>);

impl<'a, Known: Clone> EntryIndex<'a, Known> {
    /// Index of a document's entries for `images`.
    pub fn of(document: &'a Document<'_>, images: &[&ImageReference]) -> Self {
        let is_kept = KeyringIndex::matcher_of_any(images);
        let entries = document.entries().filter_map(|member| {
            let index = KeyringIndex::new(&member.name).filter(&is_kept)?;
            let known = RefCell::default();
            Some((index, IndexedEntry { member, known }))
        });
        Self(Keyring::new(entries.collect()))
    }

    /// Entries that the kubelet tries for an image, in its order.
    pub fn lookup(&self, image: &ImageReference) -> Vec<&IndexedEntry<'a, Known>> {
        self.0.lookup(image)
    }
}

/// Warnings about images for which containers/image does not use the managed entry, but a more specific unmanaged entry.
/// Pods can still pull, since the kubelet tries all matching entries.
pub fn containers_image_prefers_others(
    images: &[&ImageReference],
    document: &[u8],
    credential: &Credential,
) -> Vec<String> {
    let file = match containers_image_reads_for(document, images) {
        Ok(file) => file,
        Err(refusal) => return vec![format!("skopeo and buildah cannot use the document: {refusal}.")],
    };
    images
        .iter()
        .filter_map(|image| {
            let shown = clip_name(&image.to_string(), 160);
            let cause = containers_image_misses(&file, image, credential)?;
            Some(format!(
                "For {shown} skopeo and buildah do not use the managed entry: {cause}."
            ))
        })
        .collect()
}

/// Why containers/image does not use this credential for an image, half a sentence. None if it does, or if a credential
/// helper takes precedence, which [`Document::helper_warnings`] reports.
pub fn containers_image_misses(
    file: &AuthFile,
    image: &ImageReference,
    credential: &Credential,
) -> Option<String> {
    let chosen = file.chosen_key(image).map(SafeName::new);
    match (file.lookup(image), chosen) {
        (Err(ContainersImageLookupError::CredentialHelper(_)), _) => None,
        (Ok(Some(found)), _) if is(credential, &found) && found.identity_token.is_none() => None,
        (Ok(Some(found)), Some(key)) => Some(match found.identity_token {
            Some(_) => format!("they choose the entry {key} and use its identitytoken"),
            None => format!("they choose the entry {key}"),
        }),
        (Err(ContainersImageLookupError::AuthNotBase64(key)), _) => {
            Some(format!("the entry {key} has an auth without its base64 padding"))
        }
        (Ok(None), Some(key)) => Some(format!("they choose the entry {key}, which has no auth")),
        (Ok(_), None) => Some("they find no entry for it".to_owned()),
    }
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
    use crate::dockerconfig::containers_image_reads;

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
    fn v2_cause_for_which_containers_image_does_not_use_the_entry_is_named() {
        let image = ImageReference::parse("quay.io/team/app:1").expect("an image");
        for (entries, cause) in [
            (OURS, None),
            (r#""https://quay.io/v1/":{"auth":"cm9ib3Q6cHc="}"#, None),
            (
                r#""quay.io":{"auth":"cm9ib3Q6cHc="},"quay.io/team":{"auth":"b3RoZXI6cHc="}"#,
                Some("they choose the entry quay.io/team"),
            ),
            (
                r#""quay.io":{"auth":"cm9ib3Q6cHc="},"quay.io/team":{}"#,
                Some("they choose the entry quay.io/team, which has no auth"),
            ),
            (
                r#""quay.io":{"username":"robot","password":"pw"}"#,
                Some("they choose the entry quay.io, which has no auth"),
            ),
            (
                r#""quay.io":{"auth":"cm9ib3Q6cHc"}"#,
                Some("the entry quay.io has an auth without its base64 padding"),
            ),
            (
                r#""quay.io":{"auth":"cm9ib3Q6cHc=","identitytoken":"t"}"#,
                Some("they choose the entry quay.io and use its identitytoken"),
            ),
            (
                r#""quay.io/":{"auth":"cm9ib3Q6cHc="}"#,
                Some("they find no entry for it"),
            ),
            (
                r#""*.io":{"auth":"cm9ib3Q6cHc="}"#,
                Some("they find no entry for it"),
            ),
        ] {
            let document = format!(r#"{{"auths":{{{entries}}}}}"#);
            let file = containers_image_reads(document.as_bytes()).expect("a document");
            let found = containers_image_misses(&file, &image, &credential());
            assert_eq!(found.as_deref(), cause, "{document}");
        }
        let helper = format!(r#"{{"auths":{{{OURS}}},"credHelpers":{{"quay.io":"x"}}}}"#);
        assert_eq!(preferred(&helper), 0, "its own warning");
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
