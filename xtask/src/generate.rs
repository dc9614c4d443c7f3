//! Generated files and parts of files: the tables of README and docs/reference, docs/role.yaml, the report schema's reasons and exit
//! codes, the parts of tekton/ that name variables, results or exit codes, and owner, URL and version in every file.

mod changelog;
pub mod chart;
pub mod markers;
mod project_names;
mod schema;
mod tekton;

use std::{collections::BTreeMap, fs};

use anyhow::{Context as _, Result, bail};
use ensure_pull_secret::{
    config::markdown::{main_variables_markdown, reasons_markdown, results_markdown, variables_markdown},
    kubernetes::rbac_yaml::{self, RoleParams, Subject},
};

use crate::project;

use markers::{Comment, between};

/// The names of the demo, and of the incident that the program was written for.
pub mod names {
    /// The namespace.
    pub const NAMESPACE: &str = "private-ai-demo";
    /// The pull secret.
    pub const SECRET: &str = "internal-registry-private-ai";
    /// The ServiceAccount that the pipeline runs as.
    pub const PIPELINE: &str = "model-pipeline-sa";
}

/// The ServiceAccount that runs the program in everything shipped.
pub const RUNNER: &str = "ensure-pull-secret";
/// The Role that the program needs, as YAML to adapt and apply.
pub const ROLE: &str = "docs/role.yaml";
const SCHEMA: &str = "docs/report.schema.json";
const README: &str = "README.md";
const VARIABLES: &str = "docs/reference/variables.md";
const RESULTS: &str = "docs/reference/results.md";
const REASONS: &str = "docs/reference/reasons.md";
const REPORT: &str = "docs/reference/report-schema.md";
const TASK: &str = "tekton/task/ensure-pull-secret/ensure-pull-secret.yaml";
const STEP_ACTION: &str = "tekton/stepaction/ensure-pull-secret/ensure-pull-secret.yaml";
const CRON_JOB: &str = "tekton/components/cronjob/cronjob.yaml";

/// Writes the generated parts of a file's text.
type Generator = fn(&str) -> Result<String>;

/// Writes the generated files, or, to check, only reports those that differ.
///
/// # Errors
/// Where a file can't be read or written, lacks its markers, or, when checking, differs.
pub fn generate(check: bool) -> Result<()> {
    let mut differing = Vec::new();
    for (name, content) in contents()? {
        let path = project::file(&name);
        if fs::read_to_string(&path).is_ok_and(|present| present == content) {
            continue;
        }
        if !check {
            path.parent()
                .map_or(Ok(()), fs::create_dir_all)
                .and_then(|()| fs::write(&path, content))
                .with_context(|| format!("cannot write {}", path.display()))?;
            println!("wrote {name}");
        }
        differing.push(name);
    }
    if check && !differing.is_empty() {
        bail!(
            "{} is out of date: run `cargo xtask generate`",
            differing.join(" and ")
        );
    }
    Ok(())
}

/// The content of every file that is generated or has a generated part.
fn contents() -> Result<BTreeMap<String, String>> {
    let mut files = project_names::files()?;
    let generators: [(&str, Generator); 4] = [
        (TASK, tekton::task),
        (STEP_ACTION, tekton::step_action),
        (CRON_JOB, tekton::pod_failure_policy),
        (SCHEMA, schema::schema),
    ];
    for (name, generator) in generators {
        let text = with(&read(name, &files)?, name, generator)?;
        files.insert(name.to_owned(), text);
    }
    for (name, tables) in [
        (README, &[("main variables", main_variables_markdown())][..]),
        (
            VARIABLES,
            &[
                ("variables", variables_markdown()),
                ("params", tekton::params_markdown()),
            ],
        ),
        (RESULTS, &[("results", results_markdown())]),
        (REASONS, &[("reasons", reasons_markdown())]),
        (
            REPORT,
            &[("fields", schema::fields_markdown(&read(SCHEMA, &files)?)?)],
        ),
    ] {
        let text = with(&read(name, &files)?, name, |text| {
            tables.iter().try_fold(text.to_owned(), |text, (name, table)| {
                between(Comment::Markdown, &text, name, table)
            })
        })?;
        files.insert(name.to_owned(), text);
    }
    files.insert(ROLE.to_owned(), role()?);
    chart::add(&mut files)?;
    Ok(files)
}

/// The content of a file after the earlier steps.
fn read(name: &str, files: &BTreeMap<String, String>) -> Result<String> {
    match files.get(name) {
        Some(text) => Ok(text.clone()),
        None => fs::read_to_string(project::file(name)).with_context(|| format!("cannot read {name}")),
    }
}

fn with(text: &str, name: &str, write: impl Fn(&str) -> Result<String>) -> Result<String> {
    write(text).with_context(|| format!("cannot write the generated part of {name}"))
}

/// Two ServiceAccounts, as in everything shipped: the stored token can't request the next one.
fn role() -> Result<String> {
    let role = rbac_yaml::role(&RoleParams {
        namespace: names::NAMESPACE,
        secret: names::SECRET,
        token_account: Some(rbac_yaml::PULLER),
        runner: Some(Subject {
            namespace: names::NAMESPACE,
            name: RUNNER,
        }),
    })
    .context("a name of the Role is not valid")?;
    Ok(format!(
        "# All that ensure-pull-secret needs: three verbs on one Secret, and tokens of one ServiceAccount.\n\
         # {RUNNER} runs the program; the token of {} is stored.\n\
         # Replace {}, {} and these two names with your own.\n\
         # Written by `cargo xtask generate`.\n{role}",
        rbac_yaml::PULLER,
        names::NAMESPACE,
        names::SECRET
    ))
}
