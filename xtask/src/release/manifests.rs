//! Manifests to apply as they are: the overlays, rendered with the image of a release.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result, ensure};
use container_image::project::{REPOSITORY, VERSION, image};
use serde_json::{Value, json};
use test_cluster::{kustomize::UserKustomization, servers};

/// Namespace of the objects. A RoleBinding needs the namespace of its ServiceAccount, so `kubectl apply --namespace` isn't enough.
pub const NAMESPACE: &str = "my-models";

/// A file of a release.
pub struct Install {
    /// Its name.
    pub file: &'static str,
    overlay: &'static str,
    /// Its content, in a line.
    pub about: &'static str,
    /// Whether its objects are in [`NAMESPACE`], and not the cluster's.
    pub namespaced: bool,
}

/// The overlays that a user installs.
pub const INSTALLS: [Install; 5] = [
    Install {
        file: "install-openshift.yaml",
        overlay: "openshift",
        about: "OpenShift's internal registry: CronJob, Task and StepAction",
        namespaced: true,
    },
    Install {
        file: "install-openshift-cronjob.yaml",
        overlay: "openshift-cronjob",
        about: "the same without Tekton",
        namespaced: true,
    },
    Install {
        file: "install.yaml",
        overlay: "kubernetes",
        about: "another registry, with a robot account: CronJob and Task; set registry and user name in the file",
        namespaced: true,
    },
    Install {
        file: "install-cronjob.yaml",
        overlay: "kubernetes-cronjob",
        about: "the same without Tekton",
        namespaced: true,
    },
    Install {
        file: "admission-policy.yaml",
        overlay: "admission-policy",
        about: "the policy for the program's ServiceAccounts, for a cluster administrator",
        namespaced: false,
    },
];

/// Writes the files of [`INSTALLS`] from a clone's `tekton/`. Builds kubectl where the cache lacks it: blocks.
///
/// # Errors
/// Where kubectl can't be built, kustomize rejects an overlay, or a file can't be written.
pub fn write(clone: &Path, out: &Path, digest: &str) -> Result<()> {
    let kubectl = servers::kubectl()?;
    for install in &INSTALLS {
        let text = rendered(clone, install, digest, &kubectl)
            .with_context(|| format!("cannot render {}", install.file))?;
        let path = out.join(install.file);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn rendered(clone: &Path, install: &Install, digest: &str, kubectl: &Path) -> Result<String> {
    let mut kustomization = json!({ "resources": [format!("../tekton/overlays/{}", install.overlay)] });
    if install.namespaced {
        kustomization["namespace"] = NAMESPACE.into();
        kustomization["images"] = images(digest);
    }
    let user = UserKustomization::beside(&clone.join("tekton"), &kustomization.to_string())?;
    // As users render it: comments and order are kustomize's.
    let output = Command::new(kubectl)
        .arg("kustomize")
        .arg(user.path())
        .output()
        .context("cannot run kubectl")?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "kubectl kustomize: {}", error.trim());
    let objects = String::from_utf8(output.stdout).context("kubectl prints UTF-8")?;
    let namespace = if install.namespaced {
        format!(
            "# For another namespace: sed 's/namespace: {NAMESPACE}$/namespace: YOURS/' {} | kubectl apply -f -\n",
            install.file
        )
    } else {
        String::new()
    };
    Ok(format!(
        "# ensure-pull-secret {VERSION}: {}.\n# {REPOSITORY}, tekton/overlays/{}\n{namespace}{objects}",
        install.about, install.overlay
    ))
}

/// The image with tag, for people, and digest, which decides.
fn images(digest: &str) -> Value {
    json!([{ "name": image(), "newTag": VERSION, "digest": digest }])
}

/// The image of a release, as manifests have it.
pub fn reference(digest: &str) -> String {
    format!("{}:{VERSION}@{digest}", image())
}

#[cfg(test)]
mod tests {
    use test_cluster::manifest::documents;

    use super::*;
    use crate::project;

    const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    /// Every value of a member `image` that a container has.
    fn container_images(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                let image = members.get("image").and_then(Value::as_str);
                found.extend(image.map(str::to_owned));
                members
                    .values()
                    .for_each(|member| container_images(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| container_images(item, found)),
            _ => {}
        }
    }

    #[test]
    fn install_files_are_reproducible_and_have_one_image_by_digest() -> Result<()> {
        let written = || {
            let out = tempfile::tempdir()?;
            write(project::root(), out.path(), DIGEST)?;
            let read = |install: &Install| fs::read_to_string(out.path().join(install.file));
            anyhow::Ok(INSTALLS.iter().map(read).collect::<std::io::Result<Vec<_>>>()?)
        };
        let texts = written()?;
        assert_eq!(written()?, texts, "a second time");
        for (install, text) in INSTALLS.iter().zip(&texts) {
            let mut images = Vec::new();
            for object in documents(text)? {
                let namespace = object["metadata"]["namespace"].as_str();
                let in_namespace = namespace == Some(NAMESPACE);
                assert_eq!(in_namespace, install.namespaced, "{}: {object}", install.file);
                container_images(&object, &mut images);
            }
            assert_eq!(images.is_empty(), !install.namespaced, "{}", install.file);
            assert!(
                images.iter().all(|image| *image == reference(DIGEST)),
                "{}: {images:?}",
                install.file
            );
            assert_eq!(text.matches(&image()).count(), images.len(), "{}", install.file);
        }
        Ok(())
    }

    #[test]
    fn the_printed_sed_moves_every_object_to_another_namespace() -> Result<()> {
        let out = tempfile::tempdir()?;
        write(project::root(), out.path(), DIGEST)?;
        for install in INSTALLS.iter().filter(|install| install.namespaced) {
            let path = out.path().join(install.file);
            let text = fs::read_to_string(&path)?;
            let (_, command) = text.split_once("namespace: sed '").context("a command")?;
            let (script, _) = command.split_once('\'').context("its script")?;
            let output = Command::new("sed").arg(script).arg(&path).output()?;
            let moved = String::from_utf8(output.stdout)?;
            let objects = moved.split_once("\napiVersion").context("objects")?.1;
            assert!(!objects.contains(NAMESPACE), "{}", install.file);
            let namespaces = text
                .lines()
                .filter(|line| line.ends_with(&format!("namespace: {NAMESPACE}")));
            assert_eq!(
                objects.matches("namespace: YOURS\n").count(),
                namespaces.count(),
                "{}",
                install.file
            );
        }
        Ok(())
    }
}
