//! The CronJob's arithmetic: one whole run may fail, and the secret still never expires.

use anyhow::{Context as _, Result, ensure};
use ensure_pull_secret::config::{DefaultValue, VARIABLES};
use k8s_openapi::jiff::SignedDuration;
use serde_json::Value;

use super::super::{
    collect::Manifests,
    object::{Container, of_kind, our_container, text},
};

/// The delays before a Job's second, third and further pods (Kubernetes, "Pod backoff failure policy"), in seconds.
const FIRST_BACKOFF: u64 = 10;
const LONGEST_BACKOFF: u64 = 360;
/// The CronJob controller looks every 10 s: less may never start.
const LEAST_STARTING_DEADLINE: u64 = 10;

/// A CronJob's times let one run fail.
pub fn one_run_may_fail(object: &Value, manifests: &Manifests) -> Vec<String> {
    if object["kind"] != "CronJob" {
        return Vec::new();
    }
    let kept = keeps(object, &manifests.objects).err();
    kept.map(|error| format!("{error:#}")).into_iter().collect()
}

/// All times in seconds. A run that is due at 0 may decide at once, and finds a credential that lives just long enough to
/// be left alone; the next, a gap later, fails as a whole; the one after that may start late and needs all its time.
fn keeps(job: &Value, objects: &[Value]) -> Result<()> {
    let (spec, job_spec) = (&job["spec"], &job["spec"]["jobTemplate"]["spec"]);
    let gap = gap(text(spec, "schedule"))?;
    let number = |value: &Value, member: &str| {
        value[member]
            .as_u64()
            .with_context(|| format!("{member} is not set"))
    };
    let starting = number(spec, "startingDeadlineSeconds")?;
    let active = number(job_spec, "activeDeadlineSeconds")?;
    let retries = number(job_spec, "backoffLimit")?;
    let container = our_container(job).context("no container of it is ours")?;
    let lifetime = duration(&container, "PULL_SECRET_TOKEN_LIFETIME")?;
    let timeout = duration(&container, "PULL_SECRET_TIMEOUT")?;
    let share: u64 = value(&container, "PULL_SECRET_REFRESH_BELOW")?
        .trim_end_matches('%')
        .parse()?;
    let next_run = container
        .variable("PULL_SECRET_NEXT_RUN_WITHIN")
        .context("PULL_SECRET_NEXT_RUN_WITHIN is not set")?;
    let next_run = seconds(next_run)?;

    ensure!(
        text(spec, "timeZone") == "Etc/UTC",
        "timeZone is not Etc/UTC: a gap is longer or shorter twice a year"
    );
    ensure!(
        text(spec, "concurrencyPolicy") == "Forbid",
        "concurrencyPolicy is not Forbid"
    );
    let latest = 2 * gap + starting + active;
    ensure!(
        next_run >= latest,
        "PULL_SECRET_NEXT_RUN_WITHIN is {next_run} s; with a run that fails, the next one ends up to {latest} s later (two \
         gaps, startingDeadlineSeconds, activeDeadlineSeconds)"
    );
    let renewed_below = next_run.max(lifetime * share / 100);
    ensure!(
        lifetime > renewed_below,
        "a fresh token lives for {lifetime} s, and every run would renew what lives for less than {renewed_below} s"
    );
    ensure!(
        starting >= LEAST_STARTING_DEADLINE,
        "startingDeadlineSeconds is {starting}: the controller looks every {LEAST_STARTING_DEADLINE} s"
    );
    ensure!(
        starting + active < gap,
        "a run may take {starting} + {active} s, longer than the gap of {gap} s: Forbid would skip the next run"
    );
    let backoff: u64 = (0..retries)
        .map(|retry| (FIRST_BACKOFF << retry.min(10)).min(LONGEST_BACKOFF))
        .sum();
    let needed = (retries + 1) * timeout + backoff;
    ensure!(
        active >= needed,
        "activeDeadlineSeconds is {active}: {} pods of {timeout} s and the delays between them take {needed} s",
        retries + 1
    );
    policy_lets_pass(lifetime, objects)
}

/// The admission policy, where it is installed beside it, lets a token of this lifetime pass.
fn policy_lets_pass(lifetime: u64, objects: &[Value]) -> Result<()> {
    for policy in of_kind(objects, "ValidatingAdmissionPolicy") {
        let variables = policy["spec"]["variables"].as_array();
        let maximum: u64 = variables
            .into_iter()
            .flatten()
            .find(|variable| variable["name"] == "maximumTokenSeconds")
            .map(|variable| text(variable, "expression"))
            .context("the admission policy has no maximumTokenSeconds")?
            .parse()?;
        ensure!(
            lifetime <= maximum,
            "it asks for tokens of {lifetime} s, and the admission policy lets them live for {maximum} s"
        );
    }
    Ok(())
}

/// A variable's value or, where it isn't set, its default.
fn value<'a>(container: &'a Container<'_>, name: &str) -> Result<&'a str> {
    container.variable(name).map_or_else(|| default(name), Ok)
}

/// The default of a variable.
pub fn default(name: &str) -> Result<&'static str> {
    match VARIABLES
        .iter()
        .find(|one| one.name == name)
        .map(|one| one.default)
    {
        Some(DefaultValue::Value(value)) => Ok(value),
        _ => anyhow::bail!("{name} has no default"),
    }
}

fn duration(container: &Container<'_>, name: &str) -> Result<u64> {
    seconds(value(container, name)?).with_context(|| format!("cannot read {name}"))
}

/// Seconds of a duration as the program, Kubernetes and Tekton write it: `90s`, `15m`, `1h30m`.
pub fn seconds(text: &str) -> Result<u64> {
    let duration: SignedDuration = text.parse().with_context(|| format!("{text:?} is no duration"))?;
    Ok(duration.as_secs().try_into()?)
}

/// Seconds between two runs. The manifests have schedules of one form only: every N hours.
fn gap(schedule: &str) -> Result<u64> {
    let hours = schedule.split_once(" */").and_then(|(minute, rest)| {
        let hours: u64 = rest.strip_suffix(" * * *")?.parse().ok()?;
        let minute: u64 = minute.parse().ok()?;
        (minute < 60 && hours > 0 && 24_u64.is_multiple_of(hours)).then_some(hours)
    });
    let hours = hours.with_context(|| {
        format!("the schedule {schedule:?} is not \"M */N * * *\" with an N that divides 24")
    })?;
    Ok(hours * 3600)
}

#[cfg(test)]
mod tests {
    use ensure_pull_secret::credential::{Lifetime, Percentage, Validity};
    use k8s_openapi::jiff::Timestamp;
    use serde_json::json;

    use super::super::super::{
        collect::Form,
        fixtures::{Broken, cron_job, installed},
    };
    use super::*;

    const SPEC: &str = "/spec/jobTemplate/spec";

    fn with_variable(name: &str, value: &str) -> Broken {
        let environment = format!("{SPEC}/template/spec/containers/0/env");
        let mut variables = cron_job()
            .pointer(&environment)
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        variables.retain(|variable| variable["name"] != name);
        if !value.is_empty() {
            variables.push(json!({ "name": name, "value": value }));
        }
        Broken::new(one_run_may_fail, cron_job()).with(&environment, json!(variables))
    }

    #[test]
    fn a_next_run_that_is_expected_too_early_or_never_is_found() {
        with_variable("PULL_SECRET_NEXT_RUN_WITHIN", "9h").reports_nothing();
        for wrong in ["8h", "4h", "none", ""] {
            with_variable("PULL_SECRET_NEXT_RUN_WITHIN", wrong).reports("");
        }
        Broken::new(one_run_may_fail, cron_job())
            .with("/spec/schedule", json!("17 */6 * * *"))
            .reports("two gaps");
    }

    /// Whether a credential is alive whenever it is renewed, by the program's own rule at the shipped times: whichever run
    /// fails, and however late the others come and end.
    fn never_expires(next_run: &str, share: &str) -> Result<bool> {
        const RUNS: i64 = 60;
        let job = cron_job();
        let (spec, job_spec) = (&job["spec"], &job["spec"]["jobTemplate"]["spec"]);
        let number = |value: &Value| value.as_i64().context("it is set");
        let gap = i64::try_from(gap(text(spec, "schedule"))?)?;
        let late = number(&spec["startingDeadlineSeconds"])?;
        let slow = number(&job_spec["activeDeadlineSeconds"])?;
        let container = our_container(&job).context("it has a container")?;
        let lifetime = i64::try_from(duration(&container, "PULL_SECRET_TOKEN_LIFETIME")?)?;
        let (next_run, share) = (Lifetime::parse(next_run)?, Percentage::parse(share)?);
        let at = |seconds: i64| Timestamp::from_second(seconds);

        for failing in 1..RUNS {
            let mut stored = Validity {
                issued_at: at(0)?,
                expires_at: at(lifetime)?,
            };
            for run in (1..RUNS).filter(|run| *run != failing) {
                // Those before the failing run come at once, so that their verdict is as old as it can be; those after it
                // as late as they may.
                let (begun, ended) = if run < failing {
                    (run * gap, run * gap)
                } else {
                    (run * gap + late, run * gap + late + slow)
                };
                if !stored.has_enough_left(at(begun)?, share, Some(next_run)) {
                    if stored.is_expired(at(ended)?) {
                        return Ok(false);
                    }
                    stored = Validity {
                        issued_at: at(ended)?,
                        expires_at: at(ended + lifetime)?,
                    };
                }
            }
        }
        Ok(true)
    }

    #[test]
    fn one_failed_run_of_the_cron_job_never_lets_the_credential_expire() -> Result<()> {
        let job = cron_job();
        let container = our_container(&job).context("it has a container")?;
        let shipped = value(&container, "PULL_SECRET_NEXT_RUN_WITHIN")?;
        assert!(never_expires(
            shipped,
            value(&container, "PULL_SECRET_REFRESH_BELOW")?
        )?);
        assert!(never_expires(shipped, "1%")?, "that alone is enough");
        assert!(!never_expires("4h", "1%")?, "one gap is not");
        Ok(())
    }

    #[test]
    fn a_token_that_does_not_live_for_two_gaps_is_found() {
        for wrong in ["1h", "9h"] {
            with_variable("PULL_SECRET_TOKEN_LIFETIME", wrong).reports("every run would renew");
        }
    }

    #[test]
    fn a_token_that_the_policy_would_refuse_is_found() {
        Broken::among(one_run_may_fail, Form::Installed, installed("CronJob"))
            .with(
                &format!("{SPEC}/template/spec/containers/0/env/0"),
                json!({ "name": "PULL_SECRET_TOKEN_LIFETIME", "value": "48h" }),
            )
            .reports("the admission policy lets them live");
    }

    #[test]
    fn deadlines_that_do_not_fit_the_schedule_or_the_retries_are_found() {
        for (pointer, value, said) in [
            ("/spec/startingDeadlineSeconds", json!(5), "looks every 10 s"),
            (
                "/spec/jobTemplate/spec/activeDeadlineSeconds",
                json!(300),
                "delays between them",
            ),
            (
                "/spec/jobTemplate/spec/backoffLimit",
                json!(6),
                "delays between them",
            ),
            ("/spec/timeZone", json!("Europe/Berlin"), "Etc/UTC"),
            ("/spec/concurrencyPolicy", json!("Allow"), "Forbid"),
            ("/spec/schedule", json!("@daily"), "is not \"M */N * * *\""),
            ("/spec/schedule", json!("0 */5 * * *"), "divides 24"),
            ("/spec/schedule", json!("60 */4 * * *"), "is not"),
            ("/spec/schedule", json!("0 */4 * * 1-5"), "is not"),
        ] {
            Broken::new(one_run_may_fail, cron_job())
                .with(pointer, value)
                .reports(said);
        }
        Broken::new(one_run_may_fail, cron_job())
            .with("/spec/schedule", json!("17 */1 * * *"))
            .with("/spec/startingDeadlineSeconds", json!(3000))
            .reports("Forbid would skip");
        for member in [
            "/spec/startingDeadlineSeconds",
            "/spec/jobTemplate/spec/activeDeadlineSeconds",
        ] {
            Broken::new(one_run_may_fail, cron_job())
                .without(member)
                .reports("is not set");
        }
    }

    #[test]
    fn durations_are_read_as_the_program_and_tekton_write_them() -> Result<()> {
        for (text, expected) in [("90s", 90), ("15m", 900), ("24h", 86400), ("1h30m", 5400)] {
            assert_eq!(seconds(text)?, expected, "{text}");
        }
        for wrong in ["", "5", "m", "none", "5x", "-5s"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
        Ok(())
    }
}
