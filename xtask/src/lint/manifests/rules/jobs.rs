//! Times and leftovers of Jobs, steps and runs.

use serde_json::Value;

use super::{
    super::{
        collect::{Form, Manifests},
        object::{OURS, containers, text},
    },
    schedule::{default, seconds},
    violations,
};

/// A Secret from Git would empty a usable credential each time it is applied again; a run is not part of an install, and
/// has a name of its own each time.
const NEVER_INSTALLED: &[&str] = &["Secret", "TaskRun", "PipelineRun", "Pod"];

/// No install has a Secret or a run; a run in a sample has a new name each time, so that `kubectl create` works twice.
pub fn runs_and_secrets_are_created_by_hand(object: &Value, manifests: &Manifests) -> Vec<String> {
    let kind = text(object, "kind");
    let is_installed = manifests.form != Form::Sample && NEVER_INSTALLED.contains(&kind);
    let has_fixed_name = kind.ends_with("Run") && text(&object["metadata"], "generateName").is_empty();
    violations([
        (is_installed, "it must not be in an install"),
        (has_fixed_name, "it has a name instead of generateName"),
    ])
}

/// A Job of its own goes away some time after its end, or with Argo CD's next sync; a CronJob's are counted by its history
/// limits, and a time to live would only hide the last failure (job-ttl-seconds-after-finished).
pub fn finished_jobs_go_away(object: &Value, _: &Manifests) -> Vec<String> {
    let (spec, annotations) = (&object["spec"], &object["metadata"]["annotations"]);
    let ttl = |spec: &Value| !spec["ttlSecondsAfterFinished"].is_null();
    let no_history = |limit: &str| spec[limit].as_u64().unwrap_or_default() == 0;
    let hook = &annotations["argocd.argoproj.io/hook-delete-policy"];
    let (job, cron_job) = (object["kind"] == "Job", object["kind"] == "CronJob");
    violations([
        (
            job && !ttl(spec) && hook.is_null(),
            "ttlSecondsAfterFinished is not set",
        ),
        (
            cron_job && ttl(&spec["jobTemplate"]["spec"]),
            "ttlSecondsAfterFinished is set: the history limits decide",
        ),
        (
            cron_job && no_history("successfulJobsHistoryLimit"),
            "successfulJobsHistoryLimit is not at least 1",
        ),
        (
            cron_job && no_history("failedJobsHistoryLimit"),
            "failedJobsHistoryLimit is not at least 1",
        ),
    ])
}

/// A step that Tekton ends leaves no results: its timeout is longer than the program's own.
pub fn steps_outlive_the_program(object: &Value, _: &Manifests) -> Vec<String> {
    let ours = containers(object).into_iter().filter(|container| {
        let named = container.name() == OURS || container.fields["ref"]["name"] == OURS;
        named && container.pod.is_none() && object["kind"] != "StepAction"
    });
    ours.filter_map(|container| {
        let own = default("PULL_SECRET_TIMEOUT").and_then(seconds);
        match (seconds(text(container.fields, "timeout")), own) {
            (Ok(step), Ok(own)) if step > own => None,
            (Ok(_), Ok(own)) => Some(format!("its timeout is not longer than the program's {own} s")),
            (Err(error), _) | (_, Err(error)) => Some(format!("timeout: {error:#}")),
        }
    })
    .collect()
}

/// The program's termination message is written to the container's file, in a CronJob's or a Job's pod; in a step that
/// file is Tekton's own.
pub fn termination_message_is_kept(object: &Value, _: &Manifests) -> Vec<String> {
    let name = "PULL_SECRET_TERMINATION_MESSAGE_FILE";
    let ours = containers(object).into_iter().filter(|one| one.name() == OURS);
    ours.filter_map(|container| {
        let path = container.fields["terminationMessagePath"].as_str();
        let expected = container.pod.map(|_| path.unwrap_or("/dev/termination-log"));
        let seen = container.variable(name);
        (seen != expected).then(|| format!("{name} is {seen:?} instead of {expected:?}"))
    })
    .collect()
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
        Broken::new(rule, job(hook, json!({}))).reports_nothing();
        for (field, value, problem) in [
            ("jobTemplate/spec/ttlSecondsAfterFinished", 60, "history limits"),
            ("failedJobsHistoryLimit", 0, "failedJobsHistoryLimit"),
        ] {
            Broken::new(rule, cron_job())
                .with(&format!("/spec/{field}"), json!(value))
                .reports(problem);
        }
    }

    #[test]
    fn a_step_that_ends_before_the_program_does_is_found() {
        let rule = steps_outlive_the_program;
        let timeout = "/spec/steps/0/timeout";
        Broken::new(rule, task())
            .with(timeout, json!("2m"))
            .reports("not longer");
        Broken::new(rule, task()).without(timeout).reports("no duration");
        let step = json!({ "name": "a", "ref": { "name": OURS } });
        Broken::new(rule, task())
            .with("/spec/steps/0", step)
            .reports("no duration");
    }

    #[test]
    fn lost_termination_messages_are_reported() {
        let rule = termination_message_is_kept;
        let path = "/spec/jobTemplate/spec/template/spec/containers/0/terminationMessagePath";
        Broken::new(rule, cron_job())
            .with(path, json!("/another"))
            .reports("instead of Some(\"/another\")");
        let variable =
            json!({ "name": "PULL_SECRET_TERMINATION_MESSAGE_FILE", "value": "/tekton/termination" });
        Broken::new(rule, task())
            .with("/spec/steps/0/env/0", variable)
            .reports("instead of None");
    }

    #[test]
    fn an_installed_secret_or_run_and_a_sample_with_a_fixed_name_are_found() {
        let rule = runs_and_secrets_are_created_by_hand;
        let object = |kind: &str, member: &str| json!({ "kind": kind, "metadata": { member: "a" } });
        for kind in NEVER_INSTALLED {
            Broken::new(rule, task())
                .and(object(kind, "name"))
                .reports(&format!("{kind}/a: it must not be in an install"));
        }
        let sample = |object| Broken::among(rule, Form::Sample, vec![object]);
        sample(object("Secret", "name")).reports_nothing();
        sample(object("TaskRun", "generateName"))
            .and(object("TaskRun", "name"))
            .reports("TaskRun/a: it has a name");
    }
}
