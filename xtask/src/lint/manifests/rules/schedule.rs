//! The CronJob's arithmetic: one whole run may fail, and the secret still never expires.

use anyhow::{Context as _, Result};
use ensure_pull_secret::config::{DefaultValue, VARIABLES};
use k8s_openapi::jiff::SignedDuration;
use serde_json::Value;

use super::{
    super::{
        collect::Manifests,
        object::{list, of_kind, our_container, text},
    },
    violations,
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
    let maximum = maximum_lifetime(&manifests.objects);
    let times = Times::of(object).and_then(|times| Ok(times.problems(maximum?)));
    let mut problems = times.unwrap_or_else(|error| vec![format!("{error:#}")]);
    problems.extend(violations([
        (
            text(&object["spec"], "timeZone") != "Etc/UTC",
            "timeZone is not Etc/UTC: a gap is longer or shorter twice a year",
        ),
        (
            text(&object["spec"], "concurrencyPolicy") != "Forbid",
            "concurrencyPolicy is not Forbid",
        ),
    ]));
    problems
}

/// Times of a CronJob, in seconds.
pub struct Times {
    /// The interval of the schedule.
    pub gap: u64,
    /// startingDeadlineSeconds.
    pub starting: u64,
    /// activeDeadlineSeconds.
    pub active: u64,
    retries: u64,
    lifetime: u64,
    timeout: u64,
    /// PULL_SECRET_NEXT_RUN_WITHIN.
    pub next_run: u64,
    /// PULL_SECRET_REFRESH_BELOW, a percentage.
    share: String,
}

impl Times {
    /// The times of a CronJob, and the program's defaults.
    ///
    /// # Errors
    /// Where one is missing or can't be read.
    pub fn of(job: &Value) -> Result<Self> {
        let (spec, job_spec) = (&job["spec"], &job["spec"]["jobTemplate"]["spec"]);
        let number = |value: &Value, member: &str| {
            let number = value[member].as_u64();
            number.with_context(|| format!("{member} is not set"))
        };
        let container = our_container(job).context("no container of it is ours")?;
        let value = |name| container.variable(name).map_or_else(|| default(name), Ok);
        let duration = |name| seconds(value(name)?).with_context(|| format!("cannot read {name}"));
        Ok(Self {
            gap: gap(text(spec, "schedule"))?,
            starting: number(spec, "startingDeadlineSeconds")?,
            active: number(job_spec, "activeDeadlineSeconds")?,
            retries: number(job_spec, "backoffLimit")?,
            lifetime: duration("PULL_SECRET_TOKEN_LIFETIME")?,
            timeout: duration("PULL_SECRET_TIMEOUT")?,
            next_run: duration("PULL_SECRET_NEXT_RUN_WITHIN")?,
            share: value("PULL_SECRET_REFRESH_BELOW")?.to_owned(),
        })
    }

    /// A run that is due at 0 may decide at once, and finds a credential that lives just long enough to be left alone; the
    /// next, a gap later, fails as a whole; the one after that may start late and needs all its time.
    fn problems(&self, maximum: Option<u64>) -> Vec<String> {
        let Self {
            gap,
            starting,
            active,
            retries,
            lifetime,
            timeout,
            next_run,
            share,
        } = self;
        let latest = 2 * gap + starting + active;
        let share = share.trim_end_matches('%').parse().unwrap_or(100);
        let renewed_below = *next_run.max(&(lifetime * share / 100));
        let backoffs = (0..*retries).map(|retry| (FIRST_BACKOFF << retry.min(10)).min(LONGEST_BACKOFF));
        let needed = (retries + 1) * timeout + backoffs.sum::<u64>();
        let maximum = maximum.unwrap_or(*lifetime);
        violations([
            (
                *next_run < latest,
                format!(
                    "PULL_SECRET_NEXT_RUN_WITHIN is {next_run} s; with a run that fails, the next one ends up to {latest} s \
                     later (two gaps, startingDeadlineSeconds, activeDeadlineSeconds)"
                ),
            ),
            (
                *lifetime <= renewed_below,
                format!(
                    "a fresh token lives for {lifetime} s, and every run would renew what lives for less than {renewed_below} s"
                ),
            ),
            (
                *starting < LEAST_STARTING_DEADLINE,
                format!(
                    "startingDeadlineSeconds is {starting}: the controller looks every {LEAST_STARTING_DEADLINE} s"
                ),
            ),
            (
                starting + active >= *gap,
                format!(
                    "a run may take {starting} + {active} s, longer than the gap of {gap} s: Forbid would skip the next run"
                ),
            ),
            (
                *active < needed,
                format!(
                    "activeDeadlineSeconds is {active}: {} pods of {timeout} s and the delays between them take {needed} s",
                    retries + 1
                ),
            ),
            (
                *lifetime > maximum,
                format!(
                    "it requests tokens of {lifetime} s, and the admission policy lets them live for {maximum} s"
                ),
            ),
        ])
    }
}

/// The longest lifetime of a token that the admission policy accepts, where it is in the same install.
fn maximum_lifetime(objects: &[Value]) -> Result<Option<u64>> {
    let Some(policy) = of_kind(objects, "ValidatingAdmissionPolicy").next() else {
        return Ok(None);
    };
    let mut variables = list(&policy["spec"], "variables").iter();
    let maximum = variables.find(|variable| variable["name"] == "maximumTokenSeconds");
    let maximum = maximum.context("the admission policy has no maximumTokenSeconds")?;
    Ok(Some(text(maximum, "expression").parse()?))
}

/// The default of a variable.
pub fn default(name: &str) -> Result<&'static str> {
    match VARIABLES
        .iter()
        .find(|one| one.name == name)
        .map(|one| one.default)
    {
        Some(DefaultValue::Value(value)) => Ok(value),
        _ => anyhow::bail!("{name} is not set"),
    }
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
        fixtures::{Broken, installed},
    };
    use super::*;

    const JOB: &str = "/spec/jobTemplate/spec";

    fn cron_job() -> Broken {
        Broken::among(one_run_may_fail, Form::Installed, installed("CronJob"))
    }

    /// The first variable of a name counts.
    fn with_variable(name: &str, value: &str) -> Broken {
        cron_job().with(
            &format!("{JOB}/template/spec/containers/0/env/0"),
            json!({ "name": name, "value": value }),
        )
    }

    #[test]
    fn variables_that_do_not_fit_the_schedule_are_found() {
        with_variable("PULL_SECRET_NEXT_RUN_WITHIN", "9h").reports_nothing();
        for (name, value, problem) in [
            ("NEXT_RUN_WITHIN", "8h", "two gaps"),
            ("NEXT_RUN_WITHIN", "4h", "two gaps"),
            ("NEXT_RUN_WITHIN", "none", "is no duration"),
            ("NEXT_RUN_WITHIN", "", "is no duration"),
            ("TOKEN_LIFETIME", "1h", "every run would renew"),
            ("TOKEN_LIFETIME", "9h", "every run would renew"),
            ("TOKEN_LIFETIME", "48h", "the admission policy lets them live"),
        ] {
            with_variable(&format!("PULL_SECRET_{name}"), value).reports(problem);
        }
        cron_job()
            .with(&format!("{JOB}/template/spec/containers/0/env"), json!([]))
            .reports("PULL_SECRET_NEXT_RUN_WITHIN is not set");
    }

    #[test]
    fn deadlines_that_do_not_fit_the_schedule_or_the_retries_are_found() {
        let starting = "/spec/startingDeadlineSeconds";
        let active = &format!("{JOB}/activeDeadlineSeconds");
        for (pointer, value, problem) in [
            (starting, json!(5), "looks every 10 s"),
            (starting, json!(13600), "Forbid would skip"),
            (starting, Value::Null, "is not set"),
            (active, json!(300), "delays between them"),
            (active, Value::Null, "is not set"),
            (&format!("{JOB}/backoffLimit"), json!(6), "delays between them"),
            ("/spec/timeZone", json!("Europe/Berlin"), "Etc/UTC"),
            ("/spec/concurrencyPolicy", json!("Allow"), "Forbid"),
            ("/spec/schedule", json!("17 */6 * * *"), "two gaps"),
            ("/spec/schedule", json!("@daily"), "is not \"M */N * * *\""),
            ("/spec/schedule", json!("0 */5 * * *"), "divides 24"),
            ("/spec/schedule", json!("60 */4 * * *"), "is not"),
            ("/spec/schedule", json!("0 */4 * * 1-5"), "is not"),
        ] {
            cron_job().with(pointer, value).reports(problem);
        }
    }

    /// Whether each renewal comes before the expiry, by the program's own rule at the shipped times: whichever run fails,
    /// and however late the others start and end.
    fn never_expires(times: &Times, next_run: &str, share: &str) -> Result<bool> {
        const RUNS: u64 = 60;
        let (next_run, share) = (Lifetime::parse(next_run)?, Percentage::parse(share)?);
        let at = |seconds: u64| Timestamp::from_second(seconds.cast_signed());
        let issued = |issued_at| {
            let (issued_at, expires_at) = (at(issued_at)?, at(issued_at + times.lifetime)?);
            anyhow::Ok(Validity {
                issued_at,
                expires_at,
            })
        };
        for failing in 1..RUNS {
            let mut stored = issued(0)?;
            for run in (1..RUNS).filter(|run| *run != failing) {
                // Runs before the failing one start at once, so that their verdict is as old as it can be; runs after it
                // as late as they may.
                let (late, slow) = if run < failing {
                    (0, 0)
                } else {
                    (times.starting, times.active)
                };
                let begun = run * times.gap + late;
                if !stored.has_enough_left(at(begun)?, share, Some(next_run)) {
                    if stored.is_expired(at(begun + slow)?) {
                        return Ok(false);
                    }
                    stored = issued(begun + slow)?;
                }
            }
        }
        Ok(true)
    }

    #[test]
    fn one_failed_run_of_the_cron_job_never_lets_the_credential_expire() -> Result<()> {
        let times = Times::of(&installed("CronJob")[0])?;
        let shipped = format!("{}s", times.next_run);
        assert!(never_expires(&times, &shipped, &times.share)?);
        assert!(never_expires(&times, &shipped, "1%")?, "that alone is enough");
        assert!(!never_expires(&times, "4h", "1%")?, "one gap is not");
        Ok(())
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
