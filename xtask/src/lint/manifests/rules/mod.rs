//! The project's own rules: each is a function that reports violations, and has a test with a broken fixture.

mod containers;
mod images;
mod jobs;
mod kinds;
mod params;
pub mod rights;
mod runner;
mod schedule;
mod scripts;
mod token_file;
mod trust;
mod words;

use super::collect::{Form, Manifests, Text};

/// A rule over objects that belong together: what breaks it.
type OverManifests = fn(&Manifests) -> Vec<String>;
/// A rule over everything that we write.
type OverTexts = fn(&[Text]) -> Vec<String>;

const OVER_MANIFESTS: &[OverManifests] = &[
    containers::command_is_set,
    containers::root_file_system_is_read_only,
    containers::no_user_is_chosen,
    containers::memory_is_bounded,
    containers::environment_has_no_credential,
    images::one_image_by_digest,
    jobs::finished_jobs_go_away,
    jobs::steps_outlive_the_program,
    jobs::last_words_are_kept,
    kinds::nothing_is_installed_that_runs_or_is_a_secret,
    kinds::sample_runs_are_created_anew,
    rights::the_role_is_the_contracts,
    rights::nothing_dangles,
    rights::no_rule_says_any,
    schedule::one_run_may_fail,
    params::params_are_the_variables,
    words::conditions_can_hold,
];

/// Rules for what documents show as well, which may be a part of an object.
const OVER_DOCUMENTS: &[OverManifests] = &[
    runner::the_policy_restricts_whoever_creates_secrets,
    runner::the_runner_has_a_name_of_its_own,
    runner::no_service_names_the_api_server,
    token_file::its_destination_is_literal,
    params::params_that_are_passed_exist,
    trust::what_the_installer_sets_is_literal,
];

const OVER_TEXTS: &[OverTexts] = &[images::one_spelling, words::variables_exist, words::reasons_exist];

/// What breaks a rule, each as `where: what: why`.
pub fn problems(texts: &[Text], pages: &[Text], manifests: &[Manifests]) -> Vec<String> {
    let mut problems: Vec<String> = OVER_TEXTS.iter().flat_map(|rule| rule(texts)).collect();
    for scripts in [texts, pages] {
        problems.extend(scripts::no_value_is_expanded_into_a_document(scripts));
    }
    problems.sort();
    problems.dedup();
    for one in manifests {
        let over_objects = OVER_MANIFESTS.iter().filter(|_| one.form != Form::Document);
        for rule in over_objects.chain(OVER_DOCUMENTS) {
            problems.extend(
                rule(one)
                    .into_iter()
                    .map(|problem| format!("{}: {problem}", one.origin)),
            );
        }
    }
    problems
}
