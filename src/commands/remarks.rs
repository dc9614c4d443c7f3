//! What a run learned about its registries that other clients handle in another way.

use crate::{
    config::Mode,
    outcome::{DoctorCheck, Outcome},
    registry::Remark,
};

/// Adds it to the outcome: a warning where pods may not pull, else a note.
pub fn add(mode: Mode, remarks: Vec<Remark>, outcome: &mut Outcome) {
    for remark in remarks {
        match remark {
            Remark::ManifestByGetAlone(image) => {
                let image = image.clipped(160);
                let warning = format!(
                    "The registry denies HEAD for {image} and serves it by GET: containerd stops at HEAD and cannot pull it."
                );
                if mode == Mode::Doctor {
                    let remedy = "Allow HEAD for manifests at the registry or its proxy.";
                    outcome.lines.push(DoctorCheck::warn("registry", warning, remedy));
                } else {
                    outcome.warnings.push(warning);
                }
            }
            Remark::ChallengeOfRepositoryAlone(registry) => outcome.notes.push(format!(
                "{registry} asks for credentials at the repository otherwise than at /v2/: containerd sends them, skopeo and CRI-O don't."
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{ImageReference, RegistryHost};

    #[test]
    fn r2_r3_what_other_clients_do_is_a_counted_warning_or_a_note() {
        let image = ImageReference::parse("quay.io/team/app:1").expect("an image");
        let registry = RegistryHost::parse("quay.io").expect("a registry");
        for (mode, counted, noted, lines) in [
            (Mode::Ensure, 1, 1, 0),
            (Mode::Verify, 1, 1, 0),
            (Mode::Plan, 1, 1, 0),
            (Mode::Doctor, 0, 1, 1),
        ] {
            let mut outcome = Outcome::default();
            let remarks = vec![
                Remark::ManifestByGetAlone(image.clone()),
                Remark::ChallengeOfRepositoryAlone(registry.clone()),
            ];
            add(mode, remarks, &mut outcome);
            let found = (outcome.warnings.len(), outcome.notes.len(), outcome.lines.len());
            assert_eq!(found, (counted, noted, lines), "{mode:?}");
            let lines = outcome.lines.iter().filter(|line| line.warning);
            let mut warnings = outcome.warnings.iter().chain(lines.map(|line| &line.message));
            let told = warnings
                .next()
                .is_some_and(|told| told.contains("quay.io/team/app:1"));
            assert!(told && outcome.notes[0].starts_with("quay.io "), "{outcome:?}");
        }
    }
}
