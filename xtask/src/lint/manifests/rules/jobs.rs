//! Times and leftovers of Jobs and steps.

use anyhow::Result;
use ensure_pull_secret::config::{DefaultValue, VARIABLES};

use super::{
    super::{
        collect::Manifests,
        object::{OURS, containers, label, of_kind, text},
    },
    schedule::seconds,
};

/// How long the program takes at most.
const TIMEOUT: &str = "PULL_SECRET_TIMEOUT";

/// A Job of its own goes away some time after its end, or with Argo CD's next sync; a CronJob's are counted by its history
/// limits, and a time to live would only hide the last failure (job-ttl-seconds-after-finished).
pub fn finished_jobs_go_away(manifests: &Manifests) -> Vec<String> {
    let mut problems = Vec::new();
    let ttl = "ttlSecondsAfterFinished";
    for job in of_kind(&manifests.objects, "Job") {
        let hook = &job["metadata"]["annotations"]["argocd.argoproj.io/hook-delete-policy"];
        if job["spec"][ttl].is_null() && hook.is_null() {
            problems.push(format!("{}: {ttl} is not set", label(job)));
        }
    }
    for job in of_kind(&manifests.objects, "CronJob") {
        if !job["spec"]["jobTemplate"]["spec"][ttl].is_null() {
            problems.push(format!(
                "{}: {ttl} is set, which is for the history limits",
                label(job)
            ));
        }
        for limit in ["successfulJobsHistoryLimit", "failedJobsHistoryLimit"] {
            if job["spec"][limit].as_u64().unwrap_or_default() == 0 {
                problems.push(format!("{}: {limit} is not at least 1", label(job)));
            }
        }
    }
    problems
}

/// A step that Tekton kills leaves no results: its timeout is longer than the program's own.
pub fn steps_outlive_the_program(manifests: &Manifests) -> Vec<String> {
    let default = VARIABLES
        .iter()
        .find(|variable| variable.name == TIMEOUT)
        .map(|variable| variable.default);
    let Some(DefaultValue::Value(default)) = default else {
        return vec![format!(
            "{TIMEOUT} has no default any more: this rule has to be written anew"
        )];
    };
    let mut problems = Vec::new();
    for container in manifests.objects.iter().flat_map(containers) {
        let ours = container.name() == OURS || container.fields["ref"]["name"] == OURS;
        if !ours || container.pod.is_some() || container.object["kind"] == "StepAction" {
            continue;
        }
        let compared =
            || -> Result<bool> { Ok(seconds(text(container.fields, "timeout"))? > seconds(default)?) };
        match compared() {
            Ok(true) => {}
            Ok(false) => problems.push(format!(
                "{}: its timeout is not longer than {TIMEOUT}'s {default}",
                container.label()
            )),
            Err(error) => problems.push(format!("{}: timeout: {error:#}", container.label())),
        }
    }
    problems
}

/// What the program says last is kept where it is looked for, in a CronJob's or a Job's pod; in a step the file is
/// Tekton's own.
pub fn last_words_are_kept(manifests: &Manifests) -> Vec<String> {
    let name = "PULL_SECRET_TERMINATION_MESSAGE_FILE";
    let mut problems = Vec::new();
    for container in manifests
        .objects
        .iter()
        .flat_map(containers)
        .filter(|container| container.name() == OURS)
    {
        let seen = container.variable(name);
        let expected = container.pod.map(|_| {
            let path = text(container.fields, "terminationMessagePath");
            if path.is_empty() {
                "/dev/termination-log"
            } else {
                path
            }
        });
        if seen != expected {
            problems.push(format!(
                "{}: {name} is {seen:?} instead of {expected:?}",
                container.label()
            ));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::super::fixtures::{Broken, cron_job, task};
    use super::*;

    #[test]
    fn a_job_that_stays_and_one_that_goes_too_early_are_found() {
        let rule = finished_jobs_go_away;
        let job = |metadata, spec| json!({ "kind": "Job", "metadata": metadata, "spec": spec });
        Broken::new(rule, job(json!({}), json!({ "ttlSecondsAfterFinished": 60 })))
            .without("/spec/ttlSecondsAfterFinished")
            .reports("is not set");
        let hook =
            json!({ "annotations": { "argocd.argoproj.io/hook-delete-policy": "BeforeHookCreation" } });
        Broken::new(rule, job(hook, json!({}))).says_nothing();
        Broken::new(rule, cron_job())
            .with("/spec/jobTemplate/spec/ttlSecondsAfterFinished", json!(60))
            .reports("history limits");
        Broken::new(rule, cron_job())
            .with("/spec/failedJobsHistoryLimit", json!(0))
            .reports("failedJobsHistoryLimit");
    }

    #[test]
    fn a_step_that_ends_before_the_program_does_is_found() {
        let rule = steps_outlive_the_program;
        Broken::new(rule, task())
            .with("/spec/steps/0/timeout", json!("2m"))
            .reports("not longer");
        Broken::new(rule, task())
            .without("/spec/steps/0/timeout")
            .reports("no duration");
        let step = json!({ "name": "a", "ref": { "name": OURS } });
        Broken::new(rule, task())
            .with("/spec/steps/0", step)
            .reports("no duration");
    }

    #[test]
    fn lost_termination_messages_are_reported() {
        let container = "/spec/jobTemplate/spec/template/spec/containers/0";
        Broken::new(last_words_are_kept, cron_job())
            .with(&format!("{container}/terminationMessagePath"), json!("/another"))
            .reports("instead of Some(\"/another\")");
        let variable =
            json!({ "name": "PULL_SECRET_TERMINATION_MESSAGE_FILE", "value": "/tekton/termination" });
        Broken::new(last_words_are_kept, task())
            .with("/spec/steps/0/env/0", variable)
            .reports("instead of None");
    }
}
