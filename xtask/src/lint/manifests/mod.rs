//! The manifests below `tekton/`: what Tekton, kustomize and yamllint say of them, and rules of our own.
//!
//! Of kube-linter's checks those that matter here are among our own rules, by its names: it sees neither Tekton's steps nor
//! what a user's kustomization gives, and its rules are a few lines each.

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

/// Judges all of it, and names every problem.
///
/// # Errors
/// Where there is a problem, or a check can't be made.
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

/// What Tekton's webhook would say of all of them.
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
