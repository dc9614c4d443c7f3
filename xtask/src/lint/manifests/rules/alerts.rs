//! Alerts: they are about the CronJob of their install, and their times are those of its schedule.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{
    super::{
        collect::Manifests,
        object::{of_kind, text},
    },
    schedule::{Times, seconds},
    violations,
};

/// The alert about missing runs.
const NOT_REFRESHED: &str = "EnsurePullSecretNotRefreshed";
/// What the Prometheus operator and Prometheus accept, in all versions.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Spec {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    name: String,
    rules: Vec<Alert>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Alert {
    alert: String,
    expr: String,
    r#for: Option<String>,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

/// Each alert of a PrometheusRule is about the CronJob of its install; the one about missing runs is critical when a run
/// no longer guarantees that the credential is valid, and a warning after one missed run.
pub fn alerts_watch_the_cron_job(object: &Value, manifests: &Manifests) -> Vec<String> {
    if object["kind"] != "PrometheusRule" {
        return Vec::new();
    }
    let mut cron_jobs = of_kind(&manifests.objects, "CronJob");
    let Some(cron_job) = cron_jobs.find(|job| job["metadata"]["name"] == object["metadata"]["name"]) else {
        return vec!["no CronJob of the install has its name".to_owned()];
    };
    let spec = match serde_json::from_value::<Spec>(object["spec"].clone()) {
        Ok(spec) => spec,
        Err(error) => return vec![error.to_string()],
    };
    let name = text(&object["metadata"], "name");
    let mut problems = violations([
        (
            object["apiVersion"] != "monitoring.coreos.com/v1",
            "apiVersion is not monitoring.coreos.com/v1",
        ),
        (
            spec.groups.iter().any(|group| group.name != name),
            "a group has another name",
        ),
    ]);
    let selector = format!("cronjob=\"{}\"", name);
    for alert in spec.groups.iter().flat_map(|group| &group.rules) {
        let found = violations([
            (
                !alert.expr.contains(&selector),
                format!("does not select {selector}"),
            ),
            (
                !alert.labels.contains_key("severity"),
                "has no severity".to_owned(),
            ),
            (
                ["summary", "description"]
                    .iter()
                    .any(|name| !alert.annotations.contains_key(*name)),
                "has no summary or no description".to_owned(),
            ),
        ]);
        problems.extend(
            found
                .into_iter()
                .map(|problem| format!("{} {problem}", alert.alert)),
        );
    }
    match Times::of(cron_job) {
        Ok(times) => problems.extend(times_fit(&spec, &times)),
        Err(error) => problems.push(format!("{error:#}")),
    }
    problems
}

/// A credential that a run leaves alone outlives NEXT_RUN_WITHIN, and nothing longer: see `schedule`.
fn times_fit(spec: &Spec, times: &Times) -> Vec<String> {
    let Times {
        gap,
        starting,
        active,
        next_run,
        ..
    } = times;
    let critical = format!("{next_run} < time() - ");
    let warning = format!("{next_run} / 2 < time() - ");
    let alerts = spec.groups.iter().flat_map(|group| &group.rules);
    let missing: Vec<&Alert> = alerts.filter(|alert| alert.alert == NOT_REFRESHED).collect();
    let has = |severity: &str, start: &str| {
        missing
            .iter()
            .find(|alert| alert.labels.get("severity").is_some_and(|one| one == severity))
            .is_some_and(|alert| alert.expr.starts_with(start))
    };
    let delay = |alert: &&Alert| alert.r#for.as_deref().and_then(|text| seconds(text).ok());
    let first = next_run / 2 + missing.iter().find_map(delay).unwrap_or_default();
    violations([
        (
            !has("critical", &critical),
            format!("{NOT_REFRESHED} is not critical at {next_run} s, which is PULL_SECRET_NEXT_RUN_WITHIN"),
        ),
        (
            !has("warning", &warning),
            format!("{NOT_REFRESHED} is not a warning at half of {next_run} s"),
        ),
        (
            first < gap + starting + active,
            format!(
                "{NOT_REFRESHED} fires after {first} s, and a run in time may end after {gap} + {starting} + {active} s"
            ),
        ),
    ])
}

#[cfg(test)]
mod tests {
    use anyhow::{Context as _, Result};
    use serde_json::json;

    use super::super::super::{
        collect::Form,
        fixtures::{Broken, first},
    };
    use super::*;

    const RULE: &str = "/spec/groups/0/rules";

    fn alerts() -> Broken {
        let objects = first("PrometheusRule", "components/monitoring");
        Broken::among(alerts_watch_the_cron_job, Form::Installed, objects)
    }

    #[test]
    fn an_alert_that_can_never_fire_is_found() {
        for (pointer, value, problem) in [
            ("/metadata/name", json!("other"), "no CronJob of the install"),
            ("/apiVersion", json!("v1"), "monitoring.coreos.com/v1"),
            ("/spec/groups/0/name", json!("other"), "a group has another name"),
            (
                &format!("{RULE}/4/expr"),
                json!("kube_cronjob_spec_suspend{cronjob=\"ensure-pull-secret-other\"} > 0"),
                "EnsurePullSecretSuspended does not select cronjob=\"ensure-pull-secret\"",
            ),
            (&format!("{RULE}/4/labels"), json!({}), "has no severity"),
            (
                &format!("{RULE}/4/annotations"),
                json!({ "summary": "" }),
                "no description",
            ),
            (
                &format!("{RULE}/4/expression"),
                json!("1"),
                "unknown field `expression`",
            ),
            (&format!("{RULE}/4/alert"), Value::Null, "invalid type: null"),
        ] {
            alerts().with(pointer, value).reports(problem);
        }
    }

    #[test]
    fn an_alert_whose_time_does_not_fit_the_schedule_is_found() {
        let expression = |start: &str| json!(format!("{start} time() - cronjob=\"ensure-pull-secret\""));
        for (pointer, value, problem) in [
            (
                "0/expr",
                expression("30000 / 2 <"),
                "is not a warning at half of 32400 s",
            ),
            ("0/expr", expression("32400 <"), "is not a warning at half"),
            ("1/expr", expression("72000 <"), "is not critical at 32400 s"),
            ("1/expr", expression("32400 / 2 <"), "is not critical"),
            ("1/labels/severity", json!("warning"), "is not critical"),
        ] {
            alerts()
                .with(&format!("{RULE}/{pointer}"), value)
                .reports(problem);
        }
    }

    /// The least NEXT_RUN_WITHIN for the schedule; half of it is less than a run in time may take.
    #[test]
    fn a_warning_that_a_run_in_time_causes_is_found() -> Result<()> {
        let objects = first("PrometheusRule", "components/monitoring");
        let mut times = Times::of(of_kind(&objects, "CronJob").next().context("a CronJob")?)?;
        times.next_run = 2 * times.gap + times.starting + times.active;
        for (delay, found) in [(json!("15m"), false), (json!("10m"), true), (Value::Null, true)] {
            let mut spec = objects[0]["spec"].clone();
            spec["groups"][0]["rules"][0]["for"] = delay;
            let problems = times_fit(&serde_json::from_value(spec)?, &times);
            let fires = problems.iter().any(|problem| problem.contains("fires after"));
            assert_eq!(fires, found, "{problems:?}");
        }
        Ok(())
    }
}
