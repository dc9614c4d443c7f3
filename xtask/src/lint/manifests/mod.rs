//! Lint of the manifests below `tekton/`: Tekton's validation, kustomize, yamllint, and the project's own rules.
//!
//! The relevant checks of kube-linter are among these rules, with its names: kube-linter supports neither Tekton's steps nor
//! a user's kustomization.

#[cfg(test)]
mod changed_names;
pub mod collect;
#[cfg(test)]
mod deploy_script;
#[cfg(test)]
mod fixtures;
mod object;
#[cfg(test)]
pub mod one_place;
mod rules;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use test_cluster::tekton_validation;
use xshell::{Shell, cmd};

use self::collect::{Form, Manifests};
use crate::project;

/// Directories with YAML.
const YAML: &[&str] = &["tekton", "docs", "chart", "tests/alerts"];

/// Checks all manifests and prints every problem.
///
/// # Errors
/// If there is a problem, or a check can't run.
pub fn check(shell: &Shell) -> Result<()> {
    let advice = "yamllint is not installed: `apt install yamllint` or `pip install yamllint`";
    if let Some(yamllint) = project::tool_or_advice(shell, "yamllint", advice)? {
        cmd!(shell, "{yamllint} --strict {YAML...}")
            .run()
            .context("yamllint has objections")?;
    }
    let manifests = collect::manifests()?;
    let problems = problems(&manifests)?;
    if problems.is_empty() {
        let objects: usize = manifests.iter().map(|one| one.objects.len()).sum();
        eprintln!("manifests ok: {objects} objects of {} origins", manifests.len());
        return Ok(());
    }
    for problem in &problems {
        eprintln!("{problem}");
    }
    bail!("{} problems in the manifests", problems.len())
}

/// Violations of the rules, and objections of Tekton's webhook.
fn problems(manifests: &[Manifests]) -> Result<Vec<String>> {
    // A document may show a part of an object.
    let whole = manifests.iter().filter(|one| one.form != Form::Document);
    let objects = whole.flat_map(|one| one.objects.iter().map(|object| (one.origin.as_str(), object)));
    let mut problems = tekton(&objects.collect::<Vec<_>>())?;
    problems.extend(rules::problems(&collect::texts()?, &collect::pages()?, manifests));
    Ok(problems)
}

/// Objections of Tekton's webhook to objects, each with its origin.
fn tekton(objects: &[(&str, &Value)]) -> Result<Vec<String>> {
    let given: Vec<Value> = objects.iter().map(|(_, object)| (*object).clone()).collect();
    let objections = tekton_validation::objections(&given)?.into_iter();
    let problem = |objection: tekton_validation::Objection| {
        let (origin, object) = objects.get(objection.index)?;
        let label = object::label(object);
        Some(format!(
            "{origin}: {label}: {}: {}",
            objection.field, objection.message
        ))
    };
    Ok(objections.filter_map(problem).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s1_everything_shipped_and_shown_keeps_every_rule() -> Result<()> {
        assert_eq!(problems(fixtures::all())?, [""; 0]);
        Ok(())
    }

    /// The kustomizations of the pages give an install, and their objects are valid.
    #[test]
    fn yaml_blocks_of_the_pages_are_installs_or_accepted_by_tekton() -> Result<()> {
        let mut shown = fixtures::all().to_vec();
        shown.retain(|one| {
            let is_guide = one.origin == "docs/getting-started.md" || one.origin.starts_with("docs/how-to/");
            is_guide && (one.objects.len() > 1 || one.objects[0].get("kind").is_some())
        });
        let (mut installs, objects): (Vec<_>, Vec<_>) =
            shown.into_iter().partition(|one| one.objects.len() > 1);
        assert!(installs.len() >= 3, "only {installs:?}");
        for install in &mut installs {
            install.form = Form::Installed;
            assert_eq!(
                rules::judge(rules::rights::the_role_is_the_contracts, install),
                [""; 0]
            );
        }
        let objects: Vec<_> = objects
            .iter()
            .map(|one| (one.origin.as_str(), &one.objects[0]))
            .collect();
        assert!(
            objects.iter().any(|(_, object)| object["kind"] == "TaskRun"),
            "{objects:?}"
        );
        assert_eq!(tekton(&objects)?, [""; 0]);
        Ok(())
    }
}
