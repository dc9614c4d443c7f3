//! The kustomizations that `tekton/README.md` shows give an install, and the objects that it shows are right.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use test_cluster::{kustomize::UserKustomization, manifest::documents, tekton_validation};

use super::{
    collect::{Form, Manifests, texts},
    rules,
};

/// Every block of YAML: fenced as such, or handed to a command between `<<'END'` and `END`.
fn blocks(page: &str) -> Vec<&str> {
    let between = |begin: &'static str, end: &'static str| {
        page.split(begin)
            .skip(1)
            .filter_map(move |rest| rest.split_once(end).map(|(block, _)| block))
    };
    let of_commands = between("<<'END'\n", "\nEND\n");
    between("```yaml\n", "```").chain(of_commands).collect()
}

#[test]
fn every_block_of_yaml_is_a_kustomization_that_renders_or_an_object_that_tekton_takes() -> Result<()> {
    let texts = texts()?;
    let page = texts
        .iter()
        .find(|text| text.path == "tekton/README.md")
        .context("there is a README")?;
    let (mut kustomizations, mut objects) = (0, Vec::new());
    for block in blocks(&page.text) {
        for mut document in documents(block).with_context(|| format!("cannot read:\n{block}"))? {
            let kustomization = document.get("kind").is_none_or(|kind| kind == "Kustomization");
            if !kustomization {
                objects.push(document);
                continue;
            }
            kustomizations += 1;
            // Some show only what is added to the one before them.
            let fields = document.as_object_mut().context("a kustomization is an object")?;
            fields.entry("resources").or_insert(json!(["../tekton"]));
            fields.entry("namespace").or_insert(json!("my-models"));
            let objects = UserKustomization::new(&document.to_string())?.render();
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
