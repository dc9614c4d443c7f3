//! Params, results and environment of Task and StepAction, and the CronJob's exit codes: from the definitions behind
//! `--help`.

use anyhow::{Context as _, Result};
use ensure_pull_secret::{
    config::{DefaultValue, PREFIX, VARIABLES, Variable},
    outcome::{Reason, ResultName},
};

use super::markers::{Comment, between, moved};
use crate::markdown::table;

/// The widest line of what is written here, in characters, its margin left out.
const WIDTH: usize = 110;

/// The Task, with its generated parts put in.
///
/// # Errors
/// Where a marker is missing.
pub fn task(text: &str) -> Result<String> {
    [("params", params()), ("results", results()), ("env", env())]
        .into_iter()
        .try_fold(text.to_owned(), |text, (name, content)| {
            between(Comment::Yaml, &text, name, &content)
        })
}

/// The CronJob with its pod failure policy: the permanent exit codes end a Job.
///
/// # Errors
/// When the marker is missing.
pub fn cron_job(text: &str) -> Result<String> {
    let codes: Vec<_> = permanent_exit_codes().iter().map(u8::to_string).collect();
    let rules = format!(
        "# First: an evicted pod may end with any exit code.\n\
         - action: Ignore\n  onPodConditions:\n  - type: DisruptionTarget\n    status: \"True\"\n\
         # Permanent failures end the Job. 75 (retryable) and 70 (a defect, like a crash) are retried.\n\
         - action: FailJob\n  onExitCodes:\n    containerName: ensure-pull-secret\n    operator: In\n    values: [{}]\n",
        codes.join(", ")
    );
    between(Comment::Yaml, text, "pod failure policy", &rules)
}

/// The StepAction: the Task's step without volumes, resources and timeout, which belong to the step that refers to it.
///
/// # Errors
/// Where the Task lacks a key of its step.
pub fn step_action(task: &str) -> Result<String> {
    let step = |key| Ok::<_, anyhow::Error>(nearer(&member(task, 4, key)?));
    let (metadata, image, command, environment, security) = (
        member(task, 0, "metadata")?,
        step("image")?,
        step("command")?,
        step("env")?.replace("$(results.", "$(step.results."),
        step("securityContext")?,
    );
    let (params, results) = (moved(&params(), "  "), moved(&results(), "  "));
    Ok(format!(
        "# Written by `cargo xtask generate` from the Task's step: for a Task of your own that has several steps.\n\
         apiVersion: tekton.dev/v1beta1\n\
         kind: StepAction\n\
         {metadata}\
         spec:\n\
         {DESCRIPTION}\
         {image}{command}  \
         params:\n{params}  \
         results:\n{results}\
         {environment}{security}"
    ))
}

const DESCRIPTION: &str = "  description: |
    Creates or refreshes an image pull secret from a ServiceAccount token and verifies that the built image can be
    pulled with it.

    The credential expires at EXPIRES_AT; install the CronJob, which refreshes it. A pod that names the secret no longer
    gets OpenShift's own pull secret.

    The install sets which ServiceAccount's token is stored and how it is verified; no param does.

    The step that refers to it sets computeResources and a timeout longer than TIMEOUT; the Task republishes the results
    that it wants. A registry of another authority: mount its certificates at /trusted-ca by the Task's stepTemplate.
";

/// The params as a Markdown table.
pub fn params_markdown() -> String {
    let escaped = |variable| description(variable).replace('|', "\\|").replace('<', "&lt;");
    let rows = task_variables().map(|variable| vec![format!("`{}`", param(variable)), escaped(variable)]);
    table(&["param", "meaning"], 2, rows)
}

/// Exit codes that end the Job at once: all but success, retryable failures (75) and a defect (70), which is retried like
/// a crash.
fn permanent_exit_codes() -> Vec<u8> {
    let exit_code = |reason: Reason| reason.info().exit_code;
    let others = [Reason::Ok, Reason::ApiUnavailable, Reason::Internal].map(exit_code);
    let mut codes: Vec<_> = Reason::ALL
        .iter()
        .map(|&reason| exit_code(reason))
        .filter(|code| !others.contains(code))
        .collect();
    codes.sort_unstable();
    codes.dedup();
    codes
}

/// Every variable that a pipeline may set is a param. The installer sets the others: contract, section 7.
fn task_variables() -> impl Iterator<Item = &'static Variable> {
    VARIABLES.iter().filter(|variable| !variable.installer_only)
}

fn param(variable: &Variable) -> &'static str {
    variable.name.trim_start_matches(PREFIX)
}

fn description(variable: &Variable) -> String {
    let unset = match variable.default {
        DefaultValue::Required => "Required; an install fills in the one that its Role permits.".to_owned(),
        DefaultValue::None => "Empty: none.".to_owned(),
        DefaultValue::Described(words) => format!("Empty: {words}."),
        DefaultValue::Value(value) => format!("Empty: {value}."),
    };
    let beside = match param(variable) {
        "TIMEOUT" => " Tekton ends the step after three minutes in any case, and then there are no results.",
        _ => "",
    };
    format!("{}{beside} {unset}", variable.meaning)
}

fn params() -> String {
    task_variables()
        .map(|variable| {
            format!(
                "- name: {}\n  type: string\n{}  default: \"\"\n",
                param(variable),
                folded(&description(variable))
            )
        })
        .collect()
}

fn results() -> String {
    ResultName::ALL
        .iter()
        .map(|result| {
            format!(
                "- name: {}\n  type: string\n{}",
                result.as_str(),
                folded(result.meaning())
            )
        })
        .collect()
}

fn env() -> String {
    let params = task_variables().map(|variable| {
        format!(
            "- name: {}\n  value: $(params.{})\n",
            variable.name,
            param(variable)
        )
    });
    let results = ResultName::ALL.iter().map(|result| {
        format!(
            "- name: {}\n  value: $(results.{}.path)\n",
            result.variable(),
            result.as_str()
        )
    });
    params.chain(results).collect()
}

/// A description as a folded block, which needs no quoting whatever is in it.
fn folded(text: &str) -> String {
    let options = textwrap::Options::new(WIDTH)
        .break_words(false)
        .word_splitter(textwrap::WordSplitter::NoHyphenation);
    let lines = textwrap::wrap(text, options);
    format!("  description: >-\n    {}\n", lines.join("\n    "))
}

/// A key of a mapping whose keys are `indent` from the margin, with its comment before it left out and all that belongs
/// to it.
fn member(text: &str, indent: usize, key: &str) -> Result<String> {
    let margin = " ".repeat(indent);
    let begin = format!("{margin}{key}:");
    let mut lines = text.lines().skip_while(|line| !line.starts_with(&begin));
    let first = lines
        .next()
        .with_context(|| format!("there is no line that begins with {begin:?}"))?;
    let mut member = format!("{first}\n");
    // A comment belongs to what comes after it.
    let mut comments = String::new();
    for line in lines {
        let Some(line_within) = line.strip_prefix(&margin) else {
            break;
        };
        if line_within.starts_with('#') {
            comments.push_str(&format!("{line}\n"));
        } else if line_within.starts_with([' ', '-']) {
            member.push_str(&comments);
            comments.clear();
            member.push_str(&format!("{line}\n"));
        } else {
            break;
        }
    }
    Ok(member)
}

/// Two columns to the left, without the generator's own markers.
fn nearer(lines: &str) -> String {
    lines
        .lines()
        .filter(|line| !line.contains("`cargo xtask generate`"))
        .map(|line| format!("{}\n", line.strip_prefix("  ").unwrap_or(line)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p5_s1_no_param_is_generated_for_what_the_installer_sets() {
        let params: Vec<_> = task_variables().map(param).collect();
        for name in [
            "TRUSTED_HOSTS",
            "CONNECT_TO",
            "REGISTRY_CA_FILE",
            "TOKEN_FILE",
            "SERVICE_ACCOUNT_DIR",
            "SERVICE_ACCOUNT",
            "VERIFY",
        ] {
            assert!(!params.contains(&name), "{name}");
        }
        assert!(params.contains(&"IMAGE"));
    }

    /// The check compares a file with what is generated from it.
    #[test]
    fn the_check_refuses_changed_params_results_and_exit_codes() -> Result<()> {
        let file = |name: &str| std::fs::read_to_string(crate::project::file(name));
        let of_task = [
            ("- name: IMAGE\n", "- name: NONE\n"),
            ("- name: IMAGE\n", "- name: TRUSTED_HOSTS\n"),
            ("value: $(params.NAME)", "value: $(params.IMAGE)"),
            ("- name: EXPIRES_AT\n", "- name: IMAGE_URL\n"),
            (
                "  - name: STATUS\n    type: string",
                "  - name: STATUS\n    type: object",
            ),
            ("$(results.STATUS.path)", "$(results.REASON.path)"),
            ("# results: written", "# written"),
        ];
        let of_cron_job = [
            ("values: [64, ", "values: ["),
            ("76, 77", "75, 76, 77"),
            ("containerName: ensure-pull-secret", "containerName: another"),
            ("- action: Ignore", "- action: Count"),
            ("- action: FailJob", "- action: Ignore"),
            ("# pod failure policy: written", "# written"),
        ];
        let refused = |generate: fn(&str) -> Result<String>, name: &str, changes: &[(&str, &str)]| {
            let text = file(name)?;
            assert_eq!(generate(&text)?, text, "the shipped file has no changes");
            for (from, to) in changes {
                let changed = text.replacen(from, to, 1);
                assert_ne!(changed, text, "{from:?} is in the file");
                assert!(generate(&changed).ok() != Some(changed), "{to:?} is accepted");
            }
            anyhow::Ok(())
        };
        refused(task, super::super::TASK, &of_task)?;
        refused(cron_job, super::super::CRON_JOB, &of_cron_job)
    }

    /// Chains signs for a result with such a name as an image that the task has built (Chains, docs/slsa-provenance.md,
    /// "Type hinting").
    #[test]
    fn no_result_is_a_build_output_for_chains() {
        let outputs = [
            "IMAGES",
            "IMAGE_URL",
            "IMAGE_DIGEST",
            "ARTIFACT_URI",
            "ARTIFACT_DIGEST",
            "ARTIFACT_OUTPUTS",
        ];
        for result in ResultName::ALL {
            assert!(
                !outputs.iter().any(|output| result.as_str().ends_with(output)),
                "{result:?}"
            );
        }
    }

    #[test]
    fn a_job_is_tried_again_after_75_and_after_a_crash() {
        assert_eq!(permanent_exit_codes(), [64, 65, 66, 67, 73, 76, 77, 78]);
    }

    #[test]
    fn a_member_ends_where_the_next_begins() -> Result<()> {
        let text = "a:\n  b:\n  # of the item\n  - x\n    y\n  # of c\n  c: 1\nd: 2\n";
        assert_eq!(member(text, 2, "b")?, "  b:\n  # of the item\n  - x\n    y\n");
        assert_eq!(member(text, 2, "c")?, "  c: 1\n");
        assert!(member(text, 0, "e").is_err());
        Ok(())
    }
}
