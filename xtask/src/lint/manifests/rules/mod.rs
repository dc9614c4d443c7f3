//! Rules of our own: each is a function that says what breaks it, and has a test that breaks it.

mod containers;
mod images;
mod jobs;
mod kinds;
pub mod rights;
mod schedule;
mod trust;
mod words;

use super::collect::{Manifests, Text};

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
    trust::params_are_the_variables,
    trust::what_decides_trust_is_literal,
    words::conditions_can_hold,
];

const OVER_TEXTS: &[OverTexts] = &[images::one_spelling, words::variables_exist, words::reasons_exist];

/// What breaks a rule, each as `where: what: why`.
pub fn problems(texts: &[Text], manifests: &[Manifests]) -> Vec<String> {
    let mut problems: Vec<String> = OVER_TEXTS.iter().flat_map(|rule| rule(texts)).collect();
    for one in manifests {
        for rule in OVER_MANIFESTS {
            problems.extend(
                rule(one)
                    .into_iter()
                    .map(|problem| format!("{}: {problem}", one.origin)),
            );
        }
    }
    problems
}
