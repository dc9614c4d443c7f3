//! Params, results and environment of Task and StepAction, and the CronJob's exit codes: from the definitions behind
//! `--help`.

use anyhow::Result;
use ensure_pull_secret::{
    config::{DefaultValue, PREFIX, VARIABLES, Variable},
    outcome::{Reason, ResultName},
};

use super::markers::{Comment, between};
use crate::markdown::table;

/// The widest line of what is written here, in characters, its margin left out.
const WIDTH: usize = 110;

/// The Task with its params, results and environment.
///
/// # Errors
/// Where a marker is missing.
pub fn task(text: &str) -> Result<String> {
    with_parts(text, "$(results.")
}

/// The StepAction with its params, results and environment.
///
/// # Errors
/// Where a marker is missing.
pub fn step_action(text: &str) -> Result<String> {
    with_parts(text, "$(step.results.")
}

fn with_parts(text: &str, result: &str) -> Result<String> {
    [("params", params()), ("results", results()), ("env", env(result))]
        .into_iter()
        .try_fold(text.to_owned(), |text, (name, content)| {
            between(Comment::Yaml, &text, name, &content)
        })
}

/// A Job's manifest with its pod failure policy: the permanent exit codes end a Job.
///
/// # Errors
/// When the marker is missing.
pub fn pod_failure_policy(text: &str) -> Result<String> {
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

/// Every param in its variable; `result` is the beginning of a reference to a result.
fn env(result: &str) -> String {
    let params = task_variables().map(|variable| {
        format!(
            "- name: {}\n  value: $(params.{})\n",
            variable.name,
            param(variable)
        )
    });
    let results = ResultName::ALL.iter().map(|one| {
        let (variable, name) = (one.variable(), one.as_str());
        format!("- name: {variable}\n  value: {result}{name}.path)\n")
    });
    params.chain(results).collect()
}

/// A description as a folded block, which needs no quoting whatever is in it.
pub fn folded(text: &str) -> String {
    let options = textwrap::Options::new(WIDTH)
        .break_words(false)
        .word_splitter(textwrap::WordSplitter::NoHyphenation);
    let lines = textwrap::wrap(text, options);
    format!("  description: >-\n    {}\n", lines.join("\n    "))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use test_cluster::manifest::documents;

    use super::*;

    #[test]
    fn p5_s1_no_param_is_generated_for_what_the_installer_sets() {
        let params: Vec<_> = task_variables().map(param).collect();
        let installers =
            "TRUSTED_HOSTS CONNECT_TO REGISTRY_CA_FILE TOKEN_FILE SERVICE_ACCOUNT_DIR SERVICE_ACCOUNT VERIFY";
        for name in installers.split(' ') {
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
        let of_step_action = of_task.map(|(from, to)| {
            let step = |text: &str| text.replace("$(results.", "$(step.results.");
            (step(from), step(to))
        });
        let of_step_action: Vec<_> = of_step_action.iter().map(|(from, to)| (&**from, &**to)).collect();
        refused(step_action, super::super::STEP_ACTION, &of_step_action)?;
        refused(pod_failure_policy, super::super::CRON_JOB, &of_cron_job)
    }

    /// Chains signs for a result with such a name as an image that the task has built (Chains, docs/slsa-provenance.md,
    /// "Type hinting").
    #[test]
    fn no_result_is_a_build_output_for_chains() {
        let outputs = "IMAGES IMAGE_URL IMAGE_DIGEST ARTIFACT_URI ARTIFACT_DIGEST ARTIFACT_OUTPUTS";
        for result in ResultName::ALL {
            let name = result.as_str();
            assert!(!outputs.split(' ').any(|output| name.ends_with(output)), "{name}");
        }
    }

    #[test]
    fn a_job_is_tried_again_after_75_and_after_a_crash() {
        assert_eq!(permanent_exit_codes(), [64, 65, 66, 67, 73, 76, 77, 78]);
    }

    #[test]
    fn step_action_runs_the_program_as_the_task_does() -> Result<()> {
        let read = |name: &str| documents(&std::fs::read_to_string(crate::project::file(name))?);
        let (task, step_action) = (read(super::super::TASK)?, read(super::super::STEP_ACTION)?);
        let (task, step_action) = (&task[0], &step_action[0]);
        assert_eq!(step_action["metadata"], task["metadata"]);
        let step = task["spec"]["steps"][0].to_string();
        let step: Value = serde_json::from_str(&step.replace("$(results.", "$(step.results."))?;
        for field in ["image", "command", "env", "securityContext"] {
            assert_eq!(step_action["spec"][field], step[field], "{field}");
        }
        Ok(())
    }
}
