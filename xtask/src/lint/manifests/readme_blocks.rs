//! The kustomizations that `tekton/README.md` shows give an install, and the objects that it shows are right.

use anyhow::{Context as _, Result};
use serde_json::Value;
use test_cluster::{manifest::documents, tekton_validation};

use super::{
    collect::{Form, Manifests, blocks, is_kustomization, shown_kustomization, texts},
    rules,
};

#[test]
fn every_yaml_block_renders_or_is_accepted_by_tekton() -> Result<()> {
    let texts = texts()?;
    let page = texts
        .iter()
        .find(|text| text.path == "tekton/README.md")
        .context("there is a README")?;
    let (mut kustomizations, mut objects) = (0, Vec::new());
    for block in blocks(&page.text) {
        for document in documents(block).with_context(|| format!("cannot read:\n{block}"))? {
            if !is_kustomization(&document) {
                objects.push(document);
                continue;
            }
            kustomizations += 1;
            // Some show only what is added to the one before them.
            let objects = shown_kustomization(document)?.render();
            let manifests = Manifests {
                origin: "tekton/README.md".to_owned(),
                form: Form::Installed,
                objects: objects.with_context(|| block.to_owned())?,
            };
            let wrong = rules::rights::the_role_is_the_contracts(&manifests);
            assert_eq!(wrong, [""; 0], "{block}");
        }
    }
    assert!(
        kustomizations >= 3,
        "only {kustomizations} kustomizations are found"
    );
    assert!(
        objects.iter().any(|object: &Value| object["kind"] == "TaskRun"),
        "no TaskRun is found"
    );
    assert_eq!(tekton_validation::objections(&objects)?, []);
    Ok(())
}
