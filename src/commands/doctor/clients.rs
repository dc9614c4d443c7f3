//! Which entry the kubelet, and containers/image, would take for each image; and whether OpenShift's own would do.

use crate::{
    commands::{operation::Operation, plan},
    credential::Credential,
    decide::CredentialSource,
    dockerconfig::{kubelet_reads, lookup, pull_secret},
    image::ImageReference,
    kubernetes::secret::StoredSecret,
    outcome::{DoctorCheck, Finding, Outcome},
    text::clip_name,
};

const WHAT: &str = "kubelet";

/// Looks at the document as it is, where `current` is stored, or as `ensure` would leave it.
pub fn examine(
    operation: &Operation<'_>,
    source: &CredentialSource,
    secret: Option<&StoredSecret>,
    current: Option<&Credential>,
    outcome: &mut Outcome,
) {
    let (document, credential) = match (current, secret) {
        (Some(credential), Some(secret)) => (secret.document().to_vec(), credential.clone()),
        _ => {
            let expected = plan::expected(operation, source);
            match plan::edited(operation, secret, &expected) {
                Ok((document, _)) => (document, expected),
                Err(finding) => {
                    outcome.findings.push(finding);
                    return;
                }
            }
        }
    };
    outcome.findings.extend(pull_secret::unmanaged_entry_invalid(
        operation.target.config,
        &document,
    ));
    let images: Vec<&ImageReference> = operation.target.config.images.iter().collect();
    for image in &images {
        match chosen(image, &document, &credential) {
            Ok(line) => outcome.lines.extend(line),
            Err(finding) => outcome.findings.push(finding),
        }
        outcome.lines.extend(platform(operation, image));
    }
    let others = lookup::containers_image_prefers_others(&images, &document, &credential);
    outcome.lines.extend(others.into_iter().map(|note| {
        DoctorCheck::warn(
            "skopeo",
            note.trim_end_matches('.').to_owned(),
            "Remove that entry or helper, or narrow PULL_SECRET_REGISTRY to the same path.",
        )
    }));
}

/// Which entry the kubelet tries first; none where it rejects the document, which is a finding already.
fn chosen(
    image: &ImageReference,
    document: &[u8],
    credential: &Credential,
) -> Result<Option<DoctorCheck>, Finding> {
    if let Some(missed) = lookup::kubelet_misses(&[image], document, credential) {
        return Err(missed);
    }
    let Ok(keyring) = kubelet_reads(document) else {
        return Ok(None);
    };
    let tried = keyring.lookup(image);
    let shown = clip_name(&image.to_string(), 120);
    Ok(tried.first().map(|first| {
        if lookup::is(credential, first) {
            DoctorCheck::ok(WHAT, format!("tries the managed entry first for {shown}"))
        } else {
            DoctorCheck::warn(
                WHAT,
                format!(
                    "tries the unmanaged entry {} before the managed entry for {shown}",
                    crate::text::SafeName::new(&first.key)
                ),
                "Pods pull all the same, since the kubelet tries each; remove that entry where it is not needed.",
            )
        }
    }))
}

/// OpenShift gives every account of a namespace a credential for the namespace's own images.
fn platform(operation: &Operation<'_>, image: &ImageReference) -> Option<DoctorCheck> {
    let internal = operation
        .target
        .registries_with_images()
        .iter()
        .any(|(registry, images)| registry.is_openshift_internal() && images.contains(&image));
    let (namespace, _) = image.repository().split_once('/')?;
    (internal && namespace == operation.target.namespace).then(|| {
        DoctorCheck::ok(
            "platform",
            format!(
                "OpenShift's own secret pulls {} too, for pods that name no pull secret: it is of their namespace",
                clip_name(&image.to_string(), 120)
            ),
        )
    })
}
