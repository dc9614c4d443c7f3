//! Lint of the manifests below `tekton/`: Tekton's validation, kustomize, yamllint, and the project's own rules.
//!
//! The relevant checks of kube-linter are among these rules, with its names: kube-linter supports neither Tekton's steps nor
//! a user's kustomization.

mod collect;
#[cfg(test)]
mod deploy_script;
#[cfg(test)]
mod fixtures;
mod object;
#[cfg(test)]
mod one_place;
#[cfg(test)]
mod readme_blocks;
mod rules;
mod yamllint;

use anyhow::{Result, bail};
use serde_json::Value;
use test_cluster::tekton_validation;

use self::collect::Manifests;

/// Checks all manifests and prints every problem.
///
/// # Errors
/// If there is a problem, or a check can't run.
pub fn check() -> Result<()> {
    yamllint::check()?;
    let (texts, pages, manifests) = (collect::texts()?, collect::pages()?, collect::manifests()?);
    let mut problems = tekton(&manifests)?;
    problems.extend(rules::problems(&texts, &pages, &manifests));
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

/// Problems that Tekton's webhook reports.
fn tekton(manifests: &[Manifests]) -> Result<Vec<String>> {
    let objects: Vec<(&str, &Value)> = manifests
        .iter()
        // A document may show a part of an object.
        .filter(|one| one.form != collect::Form::Document)
        .flat_map(|one| one.objects.iter().map(|object| (one.origin.as_str(), object)))
        .collect();
    let given: Vec<Value> = objects.iter().map(|(_, object)| (*object).clone()).collect();
    let objections = tekton_validation::objections(&given)?;
    Ok(objections
        .into_iter()
        .filter_map(|objection| {
            let (origin, object) = objects.get(objection.index)?;
            let label = object::label(object);
            Some(format!(
                "{origin}: {label}: {}: {}",
                objection.field, objection.message
            ))
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s1_everything_shipped_and_shown_keeps_every_rule() -> Result<()> {
        let (texts, pages, manifests) = (collect::texts()?, collect::pages()?, collect::manifests()?);
        assert_eq!(rules::problems(&texts, &pages, &manifests), [""; 0]);
        assert_eq!(tekton(&manifests)?, [""; 0]);
        Ok(())
    }
}
