//! The Tekton bundle: Task and StepAction, with the image of a release.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, ensure};
use container_image::{
    BundleObject,
    project::{REPOSITORY, VERSION},
    write_bundle,
};
use serde_json::json;
use test_cluster::manifest::documents;

use super::git::Commit;

/// Objects of the bundle, in its order.
const FILES: [&str; 2] = [
    "tekton/stepaction/ensure-pull-secret/ensure-pull-secret.yaml",
    "tekton/task/ensure-pull-secret/ensure-pull-secret.yaml",
];

/// Writes the bundle as an OCI image layout, with this image by digest, and gives its own digest.
///
/// # Errors
/// Where a manifest of the clone can't be read or isn't as expected, or the layout can't be written.
pub fn write(clone: &Path, layout: &Path, image: &str, commit: &Commit) -> Result<String> {
    let objects =
        FILES.map(|file| object(clone, file, image).with_context(|| format!("cannot bundle {file}")));
    let objects = objects.into_iter().collect::<Result<Vec<_>>>()?;
    let annotations = json!({
        "org.opencontainers.image.title": "ensure-pull-secret",
        "org.opencontainers.image.description": "Task and StepAction of ensure-pull-secret",
        "org.opencontainers.image.version": VERSION,
        "org.opencontainers.image.licenses": "Apache-2.0",
        "org.opencontainers.image.source": REPOSITORY,
        "org.opencontainers.image.revision": commit.hash,
        "org.opencontainers.image.created": commit.date,
    });
    write_bundle(layout, &objects, &annotations)
}

fn object(clone: &Path, file: &str, image: &str) -> Result<BundleObject> {
    let text = fs::read_to_string(clone.join(file))?;
    let tagged = format!("{}:{VERSION}\n", container_image::project::image());
    ensure!(
        text.matches(&tagged).count() == 1,
        "it must have the image {} once",
        tagged.trim()
    );
    let text = text.replace(&tagged, &format!("{image}\n"));
    let text = without_default(&text, "NAME").context("it has no default of NAME")?;
    let parsed = documents(&text)?.pop().context("it has no object")?;
    let member = |value: &serde_json::Value| value.as_str().map(str::to_owned).context("it is not an object");
    let version = member(&parsed["apiVersion"])?;
    Ok(BundleObject {
        kind: member(&parsed["kind"])?.to_lowercase(),
        name: member(&parsed["metadata"]["name"])?,
        version: version.rsplit('/').next().unwrap_or(&version).to_owned(),
        text,
    })
}

/// A manifest in which a param is required: no install fills it in, and Tekton refuses a run without it.
fn without_default(text: &str, param: &str) -> Option<String> {
    let (before, after) = text.split_once(&format!("- name: {param}\n"))?;
    let (fields, rest) = after.split_once("- name: ").unwrap_or((after, ""));
    let (kept, default) = fields.split_once("default: \"\"\n")?;
    let kept = kept.trim_end_matches(' ');
    let rest = if rest.is_empty() {
        String::new()
    } else {
        format!("- name: {rest}")
    };
    Some(format!("{before}- name: {param}\n{kept}{default}{rest}"))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use container_image::layout_digest;
    use serde_json::Value;
    use test_cluster::{
        servers::Binaries,
        tekton_validation::{bundle_entry, objections},
    };

    use super::*;
    use crate::{
        project,
        release::{local_registry::LocalRegistry, manifests::reference},
    };

    const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn commit() -> Commit {
        Commit {
            hash: "0".repeat(40),
            date: "2026-11-29T00:00:00Z".to_owned(),
            seconds: "1795910400".to_owned(),
        }
    }

    #[test]
    fn only_the_named_param_loses_its_default() {
        let text = "- name: NAME\n  type: string\n  default: \"\"\n- name: IMAGE\n  default: \"\"\n";
        let written = without_default(text, "NAME").expect("a default");
        assert_eq!(
            written,
            "- name: NAME\n  type: string\n- name: IMAGE\n  default: \"\"\n"
        );
        assert_eq!(without_default(&written, "NAME"), None, "not that of IMAGE");
    }

    /// Read back by the code of Tekton's resolver, from a registry.
    #[tokio::test]
    async fn tektons_resolver_reads_task_and_stepaction_from_the_bundle() -> Result<()> {
        let directory = tempfile::tempdir()?;
        let layout = directory.path().join("bundle");
        let digest = write(project::root(), &layout, &reference(DIGEST), &commit())?;
        assert_eq!(layout_digest(&layout)?, digest);
        let again = directory.path().join("again");
        assert_eq!(
            write(project::root(), &again, &reference(DIGEST), &commit())?,
            digest,
            "a second time"
        );

        let binaries = Binaries::ensure()?;
        let registry = LocalRegistry::start(&binaries, directory.path()).await?;
        let name = format!("{}/bundle", registry.host);
        let pushed = Command::new(&binaries.crane)
            .arg("push")
            .arg(&layout)
            .arg(format!("{name}:test"))
            .output()?;
        assert!(
            pushed.status.success(),
            "{}",
            String::from_utf8_lossy(&pushed.stderr)
        );
        for (kind, version) in [("task", "v1"), ("stepaction", "v1beta1")] {
            let entry = bundle_entry(&format!("{name}@{digest}"), kind, "ensure-pull-secret")?;
            assert_eq!(entry["digest"]["sha256"], digest.trim_start_matches("sha256:"));
            assert_eq!(
                entry["annotations"]["resolution.tekton.dev/dev.tekton.image.apiVersion"],
                version
            );
            let objects = documents(entry["data"].as_str().context("YAML")?)?;
            assert_eq!(objections(&objects)?, [], "{kind}");
            assert!(objects[0].to_string().contains(&reference(DIGEST)), "{kind}");
            let params = objects[0]["spec"]["params"].as_array().context("params")?;
            let required: Vec<_> = params
                .iter()
                .filter(|param| param.get("default").is_none())
                .collect();
            let names: Vec<&Value> = required.iter().map(|param| &param["name"]).collect();
            assert_eq!(names, ["NAME"], "{kind}");
        }
        bundle_entry(&format!("{name}@{digest}"), "pipeline", "ensure-pull-secret")
            .expect_err("no such object");
        Ok(())
    }
}
