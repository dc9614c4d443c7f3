//! The alerts of `components/monitoring`, tested by promtool: their tests pass, and fail for each change of a rule.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use regex::{Captures, Regex};
use serde_json::{Value, json};
use tempfile::TempDir;
use test_cluster::kustomize::UserKustomization;
use xshell::{Shell, cmd};

use crate::project;

/// The tests, and the file of rules that they name.
const TESTS: &str = "tests/alerts/tests.yaml";
const RULES: &str = "alerts.yaml";

/// Runs the tests on the rules as an install has them, and on each change of them.
///
/// # Errors
/// Where a test fails, or none fails for a change; in CI, also without promtool.
pub fn check(shell: &Shell) -> Result<()> {
    let advice =
        "promtool is not installed: `go install github.com/prometheus/prometheus/cmd/promtool@latest`";
    let Some(promtool) = project::tool_or_advice(shell, "promtool", advice)? else {
        return Ok(());
    };
    let rules = rules()?;
    let changes = changes(&rules);
    let all = std::iter::once(&rules).chain(changes.iter().map(|(_, changed)| changed));
    let directory = TempDir::new().context("cannot make a directory for the alerts")?;
    let mut files = Vec::new();
    for (index, rules) in all.enumerate() {
        let beside = directory.path().join(index.to_string());
        files.push(write(&beside, rules).with_context(|| format!("cannot write {}", beside.display()))?);
    }
    let (own, changed) = files.split_first().context("there are rules")?;
    cmd!(shell, "{promtool} test rules {own}")
        .ignore_stdout()
        .run()
        .context("a test of the alerts fails")?;
    let output = cmd!(shell, "{promtool} test rules {changed...}")
        .quiet()
        .ignore_status()
        .ignore_stderr()
        .read()
        .context("cannot run promtool")?;
    let unnoticed = unnoticed(&output, &changes)?;
    ensure!(
        unnoticed.is_empty(),
        "{TESTS} passes with these changes of the alerts:\n{}",
        unnoticed.join("\n")
    );
    eprintln!("alerts ok: a test fails for each of {} changes", changes.len());
    Ok(())
}

/// The groups of the PrometheusRule, as Prometheus reads them.
fn rules() -> Result<Value> {
    let components = ["cronjob", "requested-token", "monitoring", "names"];
    let components = components.map(|name| format!("../tekton/components/{name}"));
    let install = json!({ "resources": ["../tekton/base"], "components": components });
    let objects = UserKustomization::new(&install.to_string())?.render()?;
    let mut rules = objects
        .into_iter()
        .filter(|object| object["kind"] == "PrometheusRule");
    let rule = rules.next().context("the install has a PrometheusRule")?;
    Ok(rule["spec"].clone())
}

/// Writes the rules beside a copy of the tests, and gives the copy.
fn write(directory: &Path, rules: &Value) -> Result<PathBuf> {
    let tests = directory.join("tests.yaml");
    fs::create_dir(directory)?;
    // JSON is YAML.
    fs::write(directory.join(RULES), rules.to_string())?;
    fs::copy(project::file(TESTS), &tests)?;
    Ok(tests)
}

/// Each rule left out, and each number, time, comparison and operator of each rule changed, with a description.
fn changes(rules: &Value) -> Vec<(String, Value)> {
    const GROUP: &str = "/groups/0/rules";
    let all = rules.pointer(GROUP).and_then(Value::as_array);
    let mut changes = Vec::new();
    for (index, rule) in all.into_iter().flatten().enumerate() {
        let name = format!("{}, {}", rule["alert"], rule["labels"]["severity"]);
        let mut without = rules.clone();
        if let Some(Value::Array(rules)) = without.pointer_mut(GROUP) {
            rules.remove(index);
        }
        changes.push((format!("{name}: left out"), without));
        for member in ["expr", "for"] {
            let text = rule[member].as_str().unwrap_or_default();
            for changed in changed_texts(text) {
                let mut rules = rules.clone();
                rules["groups"][0]["rules"][index][member] = json!(changed);
                changes.push((format!("{name}: {member} {changed}"), rules));
            }
        }
    }
    changes
}

/// Somewhat more and less for each number outside of strings, and the opposite of each comparison and set operator.
fn changed_texts(text: &str) -> Vec<String> {
    let part = Regex::new(r#""[^"]*"|\b[0-9]+(?:m|h)?\b| [<>] | unless | and "#).expect("a valid pattern");
    let replaced = |index: usize, new: &str| {
        let mut seen = 0;
        let replacement = |found: &Captures<'_>| {
            seen += 1;
            if seen == index + 1 {
                new.to_owned()
            } else {
                found[0].to_owned()
            }
        };
        part.replace_all(text, replacement).into_owned()
    };
    let mut changed = Vec::new();
    for (index, found) in part.find_iter(text).enumerate() {
        let opposites: &[(&str, &str)] = &[
            (" < ", " > "),
            (" > ", " < "),
            (" unless ", " and "),
            (" and ", " unless "),
        ];
        let opposite = opposites.iter().find(|(one, _)| *one == found.as_str());
        changed.extend(opposite.map(|(_, new)| replaced(index, new)));
        changed.extend(neighbours(found.as_str()).iter().map(|new| replaced(index, new)));
    }
    changed
}

/// A number that is a twentieth smaller and greater, or a time that is a third shorter and longer; empty for another text.
fn neighbours(text: &str) -> Vec<String> {
    let (number, unit) = text.split_at(text.trim_end_matches(['m', 'h']).len());
    let Ok(number) = number.parse::<i64>() else {
        return Vec::new();
    };
    // The tests have a sample every five minutes.
    let (number, unit, share) = match unit {
        "m" => (number, "m", 3),
        "h" => (number * 60, "m", 3),
        _ => (number, "", 20),
    };
    let step = (number / share).max(1);
    [number - step, number + step]
        .map(|number| format!("{number}{unit}"))
        .to_vec()
}

/// The changes whose tests pass, by promtool's output.
fn unnoticed(output: &str, changes: &[(String, Value)]) -> Result<Vec<String>> {
    let files: Vec<&str> = output.split("Processing test file: ").skip(1).collect();
    ensure!(
        files.len() == changes.len(),
        "promtool's output is not what was expected: {output}"
    );
    let passed = files
        .iter()
        .zip(changes)
        .filter(|(file, _)| file.contains("SUCCESS"));
    Ok(passed.map(|(_, (description, _))| description.clone()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_comparison_and_operator_is_changed() {
        assert_eq!(
            changed_texts(r#"32400 / 2 < time() - max by (a1) (x{b=~"3 < 4"}) unless y > 0"#),
            [
                r#"30780 / 2 < time() - max by (a1) (x{b=~"3 < 4"}) unless y > 0"#,
                r#"34020 / 2 < time() - max by (a1) (x{b=~"3 < 4"}) unless y > 0"#,
                r#"32400 / 1 < time() - max by (a1) (x{b=~"3 < 4"}) unless y > 0"#,
                r#"32400 / 3 < time() - max by (a1) (x{b=~"3 < 4"}) unless y > 0"#,
                r#"32400 / 2 > time() - max by (a1) (x{b=~"3 < 4"}) unless y > 0"#,
                r#"32400 / 2 < time() - max by (a1) (x{b=~"3 < 4"}) and y > 0"#,
                r#"32400 / 2 < time() - max by (a1) (x{b=~"3 < 4"}) unless y < 0"#,
                r#"32400 / 2 < time() - max by (a1) (x{b=~"3 < 4"}) unless y > -1"#,
                r#"32400 / 2 < time() - max by (a1) (x{b=~"3 < 4"}) unless y > 1"#,
            ]
        );
        assert_eq!(changed_texts("15m"), ["10m", "20m"]);
        assert_eq!(changed_texts("1h"), ["40m", "80m"]);
    }

    #[test]
    fn a_change_that_no_test_notices_is_found() -> Result<()> {
        let changes = ["a", "b"].map(|name| (name.to_owned(), Value::Null));
        let output = "Processing test file: /tmp/1/tests.yaml\n\n\nProcessing test file: /tmp/2/tests.yaml\n  SUCCESS\n\n";
        assert_eq!(unnoticed(output, &changes)?, ["b"]);
        assert!(unnoticed("", &changes).is_err(), "another output");
        Ok(())
    }

    #[test]
    fn each_alert_is_changed_in_its_expression_or_its_time() -> Result<()> {
        let changes = changes(&rules()?);
        let of = |name: &str| changes.iter().filter(|(change, _)| change.contains(name)).count();
        for name in [
            "NotRefreshed",
            "NeverSucceeded",
            "RunFailed",
            "Suspended",
            "NotFound",
        ] {
            assert!(of(name) >= 3, "{name}: {}", of(name));
        }
        Ok(())
    }
}
