//! The program's image: one spelling in everything we write, one digest in everything a user installs.

use super::super::{
    collect::{Form, IMAGE, Manifests, Text, is_yaml},
    object::{containers, text},
};

/// The last part of the image's name, by which another spelling of it is found.
const NAME: &str = "ensure-pull-secret";

/// What a user installs has one image, by digest, wherever Tekton and Kubernetes keep images (latest-tag).
pub fn one_image_by_digest(manifests: &Manifests) -> Vec<String> {
    if manifests.form != Form::Installed {
        return Vec::new();
    }
    let mut images: Vec<&str> = manifests
        .objects
        .iter()
        .flat_map(containers)
        .map(|container| text(container.fields, "image"))
        .collect();
    images.sort_unstable();
    images.dedup();
    let mut problems: Vec<_> = images
        .iter()
        .filter(|image| !image.contains("@sha256:"))
        .map(|image| {
            format!("the image {image:?} is not by digest, though the user's kustomization names one")
        })
        .collect();
    if images.len() > 1 {
        problems.push(format!("there are several images: {}", images.join(", ")));
    }
    problems
}

/// Everything we write spells the image in one way, with the version of Cargo.toml.
pub fn one_spelling(texts: &[Text]) -> Vec<String> {
    let spelling = format!("{IMAGE}:{}", env!("CARGO_PKG_VERSION"));
    let mut problems = Vec::new();
    for Text { path, text } in texts.iter().filter(|text| is_yaml(&text.path)) {
        for (index, line) in text.lines().enumerate() {
            let written = line.trim().trim_start_matches("- ");
            let Some(image) = written.strip_prefix("image:") else {
                continue;
            };
            let image = image.trim().trim_matches(['"', '\'']);
            let name = image.split(['@', ':']).next().unwrap_or_default();
            if name.ends_with(NAME) && image != spelling {
                problems.push(format!(
                    "{path}:{}: the image is {image:?} instead of {spelling:?}",
                    index + 1
                ));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::super::fixtures::{Broken, cron_job, task};
    use super::*;

    #[test]
    fn an_image_without_a_digest_and_a_second_image_are_found() {
        let image = "/spec/steps/0/image";
        Broken::new(one_image_by_digest, task())
            .with(image, json!("registry.example.com/ensure-pull-secret:0.1.0"))
            .reports("is not by digest");
        let another = format!("registry.example.com/another@sha256:{}", "0".repeat(64));
        Broken::new(one_image_by_digest, task())
            .and(cron_job())
            .says_nothing();
        Broken::new(one_image_by_digest, task())
            .and(cron_job())
            .with(image, json!(another))
            .reports("several images");
    }

    #[test]
    fn another_spelling_is_found_with_its_line() {
        let said = |image: &str| {
            one_spelling(&[Text {
                path: "a.yaml".to_owned(),
                text: format!("steps:\n- image: {image}\n"),
            }])
        };
        let right = format!("{IMAGE}:{}", env!("CARGO_PKG_VERSION"));
        assert_eq!(said(&right), [""; 0]);
        assert_eq!(said("registry.example.com/another:1"), [""; 0]);
        for wrong in [
            "registry.invalid/ensure-pull-secret:0.0.1",
            "quay.io/a/ensure-pull-secret",
            IMAGE,
        ] {
            let problems = said(wrong);
            assert!(problems[0].starts_with("a.yaml:2:"), "{problems:?}");
        }
    }
}
