//! The files that GitHub reads: syntax and security of the workflows, and the schemas of all.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use xshell::{Cmd, Shell, cmd};

use crate::project;

/// What GitHub reads, below the top of a repository.
const DIRECTORY: &str = ".github";
/// Files and their schema, which is built into check-jsonschema.
const SCHEMAS: &[(&str, &str)] = &[
    ("workflows/", "github-workflows"),
    ("dependabot.yml", "dependabot"),
    ("ISSUE_TEMPLATE/config.yml", "github-issue-config"),
    ("ISSUE_TEMPLATE/", "github-issue-forms"),
];

/// A check of the repository at a path.
type Check = fn(&Shell, &Path) -> Result<()>;

/// The checks, each with its name and its usual time.
pub const CHECKS: &[(&str, &str, Check)] = &[
    ("workflows", "1 s", syntax),
    ("security of the workflows", "1 s", security),
    ("schemas of the files for GitHub", "5 s", schemas),
];

/// Syntax, expressions and permissions of the workflows, by actionlint.
fn syntax(shell: &Shell, repository: &Path) -> Result<()> {
    let advice =
        "actionlint is not installed: `go install github.com/rhysd/actionlint/cmd/actionlint@latest`";
    let Some(actionlint) = project::tool_or_advice(shell, "actionlint", advice)? else {
        return Ok(());
    };
    let workflows = files(repository)?.into_iter();
    let workflows: Vec<PathBuf> = workflows
        .filter(|(name, _)| name.starts_with("workflows/"))
        .map(|(_, path)| path)
        .collect();
    // shellcheck and pyflakes aren't installed everywhere: the result must not depend on them.
    run(cmd!(shell, "{actionlint} -shellcheck= -pyflakes= {workflows...}"))
        .context("actionlint has objections")
}

/// Pins, permissions, expressions in scripts and credentials in workflows, and the delay of updates, by zizmor. Whether a pinned
/// commit belongs to its tag can't be checked offline.
fn security(shell: &Shell, repository: &Path) -> Result<()> {
    let advice = "zizmor is not installed: `pip install zizmor`";
    let Some(zizmor) = project::tool_or_advice(shell, "zizmor", advice)? else {
        return Ok(());
    };
    let directory = repository.join(DIRECTORY);
    run(cmd!(
        shell,
        "{zizmor} --quiet --offline --pedantic --strict-collection {directory}"
    ))
    .context("zizmor has objections")
}

/// Workflows, dependabot and issue forms, by GitHub's schemas.
fn schemas(shell: &Shell, repository: &Path) -> Result<()> {
    let advice = "check-jsonschema is not installed: `pip install check-jsonschema`";
    let Some(check) = project::tool_or_advice(shell, "check-jsonschema", advice)? else {
        return Ok(());
    };
    let mut files = files(repository)?;
    for (place, schema) in SCHEMAS {
        let (own, others): (Vec<_>, Vec<_>) =
            files.into_iter().partition(|(name, _)| name.starts_with(place));
        files = others;
        let own = own.into_iter().map(|(_, path)| path).collect::<Vec<_>>();
        if !own.is_empty() {
            run(cmd!(shell, "{check} --builtin-schema vendor.{schema} {own...}"))
                .with_context(|| format!("a file differs from the schema {schema}"))?;
        }
    }
    let without: Vec<String> = files.into_iter().map(|(name, _)| name).collect();
    ensure!(without.is_empty(), "no schema is known for {without:?}");
    Ok(())
}

/// Runs a tool, whose output is the error where it fails.
fn run(tool: Cmd<'_>) -> Result<()> {
    let output = tool.quiet().ignore_status().output()?;
    let text = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    ensure!(output.status.success(), "{}", text.concat());
    Ok(())
}

/// The files of YAML, each with its name below [`DIRECTORY`].
fn files(repository: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for directory in ["", "workflows/", "ISSUE_TEMPLATE/"] {
        let path = repository.join(DIRECTORY).join(directory);
        let cannot_list = || format!("cannot list {}", path.display());
        if !path.exists() {
            continue;
        }
        for entry in fs::read_dir(&path).with_context(cannot_list)? {
            let entry = entry.with_context(cannot_list)?;
            let is_yaml = entry
                .path()
                .extension()
                .is_some_and(|one| one == "yaml" || one == "yml");
            if is_yaml {
                let name = format!("{directory}{}", entry.file_name().to_string_lossy());
                found.push((name, entry.path()));
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    const WORKFLOW: &str = "\
name: test
on: push
permissions: {}
concurrency:
  group: test
  cancel-in-progress: true
jobs:
  test:
    name: test
    runs-on: ubuntu-24.04
    timeout-minutes: 5
    permissions:
      contents: read # to check it out
    steps:
    - uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1
      with:
        persist-credentials: false
";
    const DEPENDABOT: &str = "\
version: 2
updates:
- package-ecosystem: cargo
  directory: /
  schedule:
    interval: weekly
  cooldown:
    default-days: 7
";
    const FORM: &str = "\
name: bug
description: a bug
body:
- type: input
  attributes:
    label: Version
";

    const SYNTAX: Check = CHECKS[0].2;
    const SECURITY: Check = CHECKS[1].2;
    const SCHEMAS: Check = CHECKS[2].2;

    /// Whether a check has an objection to a repository with this file alone.
    fn objects(check: Check, file: &str, text: &str) -> Result<bool> {
        let repository = TempDir::new()?;
        let path = repository.path().join(DIRECTORY).join(file);
        fs::create_dir_all(path.parent().context("a directory")?)?;
        fs::write(path, text)?;
        Ok(check(&Shell::new()?, repository.path()).is_err())
    }

    /// Whether the tools are installed, which in CI they are.
    fn can_check() -> bool {
        let shell = Shell::new().expect("a directory");
        let tools = ["actionlint", "zizmor", "check-jsonschema"];
        project::in_ci() || tools.iter().all(|tool| project::tool(&shell, tool).is_some())
    }

    #[test]
    fn each_check_finds_a_broken_file() -> Result<()> {
        if !can_check() {
            eprintln!("NOT checked: the files for GitHub, without their tools");
            return Ok(());
        }
        let workflow = ("workflows/test.yaml", WORKFLOW);
        let dependabot = ("dependabot.yml", DEPENDABOT);
        let form = ("ISSUE_TEMPLATE/bug.yml", FORM);
        for ((file, text), check) in [
            (workflow, SYNTAX),
            (workflow, SECURITY),
            (workflow, SCHEMAS),
            (dependabot, SECURITY),
            (dependabot, SCHEMAS),
            (form, SCHEMAS),
        ] {
            assert!(!objects(check, file, text)?, "{file}");
        }
        let script = "steps:\n    - run: echo ${{ github.event.head_commit.message }}";
        let credentials = "\n      with:\n        persist-credentials: false";
        for ((file, text), old, new, check) in [
            (workflow, "contents: read", "contents: reads", SYNTAX),
            (workflow, "ubuntu-24.04", "ubuntu-2404", SYNTAX),
            (
                workflow,
                "steps:",
                "steps:\n    - run: echo ${{ matrix.no }}",
                SYNTAX,
            ),
            (workflow, "steps:", script, SECURITY),
            (workflow, credentials, "", SECURITY),
            (
                workflow,
                "3d3c42e5aac5ba805825da76410c181273ba90b1",
                "v7",
                SECURITY,
            ),
            (workflow, "permissions: {}", "permissions: write-all", SECURITY),
            (workflow, "timeout-minutes: 5", "timeout-minutes: long", SCHEMAS),
            (dependabot, "  cooldown:\n    default-days: 7\n", "", SECURITY),
            (dependabot, "cargo", "cargos", SCHEMAS),
            (form, "type: input", "type: line", SCHEMAS),
        ] {
            assert!(text.contains(old), "{file}: {old}");
            assert!(objects(check, file, &text.replace(old, new))?, "{file}: {new}");
        }
        Ok(())
    }

    #[test]
    fn every_file_for_github_has_a_schema() -> Result<()> {
        let files = files(project::root())?;
        assert!(files.len() >= 9, "{files:?}");
        for (name, _) in files {
            assert!(
                super::SCHEMAS.iter().any(|(place, _)| name.starts_with(place)),
                "{name}"
            );
        }
        Ok(())
    }

    #[test]
    fn every_command_of_a_workflow_exists() -> Result<()> {
        use clap::Parser as _;

        let command = regex::Regex::new("cargo xtask ([^\n]+)")?;
        let mut found = Vec::new();
        for (_, path) in files(project::root())? {
            let text = fs::read_to_string(&path)?;
            let versions = text
                .split_once("versions: [")
                .and_then(|(_, rest)| rest.split_once(']'));
            let versions = versions.map_or("", |(names, _)| names);
            // Comments name commands between backticks.
            for line in command.captures_iter(&text).filter(|line| !line[1].contains('`')) {
                for version in versions.split(", ") {
                    let line = line[1].replace("\"$VERSIONS\"", version);
                    let words = line.split_whitespace().map(|word| word.trim_matches('"'));
                    let parsed =
                        crate::Arguments::try_parse_from(std::iter::once("cargo xtask").chain(words));
                    parsed.with_context(|| line.clone())?;
                    found.push(line);
                }
            }
        }
        for command in [
            "release build",
            "release publish",
            "release rehearse",
            "test --node --versions oldest",
            "test --node --versions newest",
        ] {
            assert!(
                found.iter().any(|line| line.starts_with(command)),
                "{command}: {found:?}"
            );
        }
        Ok(())
    }
}
