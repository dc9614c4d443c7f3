//! Which exit codes end a Job at once.

use ensure_pull_secret::outcome::Reason;
use serde_json::{Value, json};

use super::super::{
    collect::Manifests,
    object::{OURS, label, list, text},
};

/// The exit codes that stay until somebody acts: all but 0, 75 (another try may help) and 70 (a defect: tried again, as any
/// crash is).
fn permanent() -> Vec<u8> {
    let passing =
        [Reason::Ok, Reason::ApiUnavailable, Reason::Internal].map(|reason| reason.entry().exit_code);
    let mut codes: Vec<u8> = Reason::ALL
        .iter()
        .map(|reason| reason.entry().exit_code)
        .filter(|code| !passing.contains(code))
        .collect();
    codes.sort_unstable();
    codes.dedup();
    codes
}

/// A disruption counts for nothing, and comes first, since an evicted pod may end with any code; then the permanent codes,
/// exactly those, fail the Job at once. Everything else is tried again.
pub fn permanent_failures_end_a_job(manifests: &Manifests) -> Vec<String> {
    let mut problems = Vec::new();
    for object in &manifests.objects {
        let job = match text(object, "kind") {
            "CronJob" => &object["spec"]["jobTemplate"]["spec"],
            "Job" => &object["spec"],
            _ => continue,
        };
        let expected = json!([
            { "action": "Ignore", "onPodConditions": [{ "type": "DisruptionTarget", "status": "True" }] },
            {
                "action": "FailJob",
                "onExitCodes": { "containerName": OURS, "operator": "In", "values": permanent() },
            },
        ]);
        let rules = list(&job["podFailurePolicy"], "rules");
        if expected.as_array().map(Vec::as_slice) != Some(rules) {
            problems.push(format!(
                "{}: podFailurePolicy has {} instead of {expected}",
                label(object),
                Value::from(rules.to_vec())
            ));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::super::super::fixtures::{Broken, cron_job};
    use super::*;

    #[test]
    fn permanent_are_all_codes_but_success_a_defect_and_what_another_try_may_help() {
        assert_eq!(permanent(), [64, 65, 66, 67, 73, 76, 77, 78]);
    }

    #[test]
    fn a_code_too_many_or_too_few_and_another_order_are_found() {
        let rules = "/spec/jobTemplate/spec/podFailurePolicy/rules";
        let rule = permanent_failures_end_a_job;
        let values = format!("{rules}/1/onExitCodes/values");
        for wrong in [
            json!([64, 65, 66, 67, 73, 75, 76, 77, 78]),
            json!([64, 65, 66, 67, 73, 76, 77]),
        ] {
            Broken::new(rule, cron_job())
                .with(&values, wrong)
                .says("podFailurePolicy has");
        }
        let right = cron_job().pointer(rules).cloned().unwrap_or_default();
        Broken::new(rule, cron_job())
            .with(rules, json!([right[1], right[0]]))
            .says("podFailurePolicy has");
        let name = format!("{rules}/1/onExitCodes/containerName");
        Broken::new(rule, cron_job())
            .with(&name, json!("another"))
            .says("podFailurePolicy has");
        Broken::new(rule, cron_job())
            .without("/spec/jobTemplate/spec/podFailurePolicy")
            .says("podFailurePolicy has");
    }
}
