//! Entries that the kubelet and containers/image use for each image, and images that OpenShift's own secret pulls.

use super::Checks;
use crate::{
    commands::{operation::Operation, plan},
    credential::Credential,
    decide::CredentialSource,
    dockerconfig::{Document, Keyring, kubelet_reads_for, lookup, pull_secret},
    image::ImageReference,
    kubernetes::secret::StoredSecret,
    outcome::{DoctorCheck, Finding},
    text::{SafeName, clip_name},
};

const WHAT: &str = "kubelet";

/// Checks the document as it is, where `current` is stored, or as `ensure` would leave it.
pub fn examine(
    operation: &Operation<'_>,
    source: &CredentialSource,
    secret: Option<&StoredSecret>,
    current: Option<&Credential>,
) -> Checks {
    let config = operation.target.config;
    let (document, credential) = match (current, secret) {
        (Some(credential), Some(secret)) => (secret.document().to_vec(), credential.clone()),
        _ => {
            let expected = plan::expected(operation, source);
            match plan::edited(operation, secret, &expected) {
                Ok((document, _)) => (document, expected),
                Err(finding) => return vec![Err(finding)],
            }
        }
    };
    let mut checks = Checks::new();
    checks.extend(pull_secret::unmanaged_entry_invalid(config, &document).map(Err));
    let images: Vec<&ImageReference> = config.images.iter().collect();
    // Where the kubelet rejects the document, that is a finding already.
    let keyring = kubelet_reads_for(&document, &images).ok();
    for image in &images {
        checks.extend(
            keyring
                .as_ref()
                .and_then(|keyring| chosen(image, keyring, &credential)),
        );
        checks.extend(platform(operation, image).map(Ok));
    }
    let others = lookup::containers_image_prefers_others(&images, &document, &credential);
    checks.extend(others.into_iter().map(|note| {
        Ok(DoctorCheck::warn(
            "skopeo",
            note.trim_end_matches('.'),
            "Remove that entry or helper, or narrow PULL_SECRET_REGISTRY to the same path.",
        ))
    }));
    let parsed = Document::parse(&document);
    let helpers = parsed.map(|document| document.helper_warnings(config.registries.iter()));
    checks.extend(
        helpers
            .unwrap_or_default()
            .into_iter()
            .map(|warning| Ok(DoctorCheck::warn("helper", warning.message, warning.remedy))),
    );
    checks
}

/// Which entry the kubelet tries first.
fn chosen(
    image: &ImageReference,
    keyring: &Keyring,
    credential: &Credential,
) -> Option<Result<DoctorCheck, Finding>> {
    if let Some(missed) = lookup::misses(keyring, image, credential) {
        return Some(Err(missed));
    }
    let tried = keyring.lookup(image);
    let shown = clip_name(&image.to_string(), 120);
    tried.first().map(|first| {
        Ok(if lookup::is(credential, first) {
            DoctorCheck::ok(
                WHAT,
                format!("for {shown} the kubelet tries the managed entry first"),
            )
        } else {
            DoctorCheck::warn(
                WHAT,
                format!(
                    "for {shown} the kubelet tries the unmanaged entry {} first",
                    SafeName::new(&first.key)
                ),
                "Pods still pull, since the kubelet tries each entry; remove that entry if it is not needed.",
            )
        })
    })
}

/// Check for an image in the Secret's namespace: each ServiceAccount there has OpenShift's own credential for it.
fn platform(operation: &Operation<'_>, image: &ImageReference) -> Option<DoctorCheck> {
    let internal = operation
        .target
        .registries_with_images()
        .iter()
        .any(|(registry, images)| registry.is_cluster_internal() && images.contains(&image));
    let (namespace, _) = image.repository().split_once('/')?;
    (internal && namespace == operation.target.namespace).then(|| {
        DoctorCheck::ok(
            "platform",
            format!(
                "OpenShift's own pull secret also pulls {}, for pods of this namespace without imagePullSecrets",
                clip_name(&image.to_string(), 120)
            ),
        )
    })
}
