//! The project's own rules: each is a function that reports violations, and has a test with a broken fixture.

pub mod alerts;
mod containers;
mod images;
mod jobs;
mod params;
pub mod rights;
mod runner;
mod schedule;
mod scripts;
mod token_file;
mod trust;
mod words;

use serde_json::Value;

use super::{
    collect::{Form, Manifests, Text},
    object::label,
};

/// A rule for an object among those that belong to it: its violations.
pub type Rule = fn(&Value, &Manifests) -> Vec<String>;

const RULES: &[Rule] = &[
    containers::fields_are_set,
    containers::no_user_is_chosen,
    containers::environment_has_no_credential,
    images::image_is_the_installed_one,
    jobs::finished_jobs_go_away,
    jobs::steps_outlive_the_program,
    jobs::termination_message_is_kept,
    jobs::runs_and_secrets_are_created_by_hand,
    rights::the_role_is_the_contracts,
    rights::references_exist,
    rights::no_rule_has_a_wildcard,
    schedule::one_run_may_fail,
    params::task_names_a_puller,
    words::conditions_can_hold,
];

/// Rules for what documents show as well, which may be a part of an object.
const RULES_FOR_DOCUMENTS: &[Rule] = &[
    runner::the_policy_restricts_whoever_creates_secrets,
    runner::the_runner_has_a_name_of_its_own,
    runner::no_service_names_the_api_server,
    token_file::its_destination_is_literal,
    params::params_that_are_passed_exist,
    trust::what_the_installer_sets_is_literal,
    alerts::alerts_watch_the_cron_job,
];

/// All violations, each as `where: what: why`.
pub fn problems(texts: &[Text], pages: &[Text], manifests: &[Manifests]) -> Vec<String> {
    let mut problems = words::variables_exist(texts);
    problems.extend(words::reasons_exist(texts));
    for scripts in [texts, pages] {
        problems.extend(scripts::no_value_is_expanded_into_a_document(scripts));
    }
    problems.sort();
    problems.dedup();
    for one in manifests {
        let for_objects = RULES.iter().filter(|_| one.form != Form::Document);
        let found = for_objects
            .chain(RULES_FOR_DOCUMENTS)
            .flat_map(|rule| judge(*rule, one));
        problems.extend(found.map(|problem| format!("{}: {problem}", one.origin)));
    }
    problems
}

/// The violations of one rule, each after the object's name.
pub fn judge(rule: Rule, manifests: &Manifests) -> Vec<String> {
    let of = |object| {
        let problems = rule(object, manifests).into_iter();
        problems.map(|problem| format!("{}: {problem}", label(object)))
    };
    manifests.objects.iter().flat_map(of).collect()
}

/// The problems of checks that are violated.
fn violations<T: Into<String>>(checks: impl IntoIterator<Item = (bool, T)>) -> Vec<String> {
    let violated = checks.into_iter().filter(|(violated, _)| *violated);
    violated.map(|(_, problem)| problem.into()).collect()
}
