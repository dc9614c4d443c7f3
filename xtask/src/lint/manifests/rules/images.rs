//! The program's image: one, by digest, in everything a user installs.

use serde_json::Value;

use super::super::{
    collect::{Form, Manifests, installed_image},
    object::{containers, text},
};

/// Every container of an install has the image that the user's kustomization sets, wherever Tekton and Kubernetes have
/// images (latest-tag). `cargo xtask generate --check` refuses another version in a file.
pub fn image_is_the_installed_one(object: &Value, manifests: &Manifests) -> Vec<String> {
    if manifests.form != Form::Installed {
        return Vec::new();
    }
    let containers = containers(object).into_iter();
    let images = containers.map(|container| text(container.fields, "image"));
    images
        .filter(|image| *image != installed_image())
        .map(|image| format!("the image is {image:?} instead of {:?}", installed_image()))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::super::fixtures::{Broken, task};
    use super::*;

    #[test]
    fn an_image_without_a_digest_and_a_second_image_are_found() {
        let another = format!("registry.example.com/another@sha256:{}", "0".repeat(64));
        for image in ["registry.example.com/ensure-pull-secret:0.1.0", another.as_str()] {
            Broken::new(image_is_the_installed_one, task())
                .with("/spec/steps/0/image", json!(image))
                .reports("the image is");
        }
    }
}
