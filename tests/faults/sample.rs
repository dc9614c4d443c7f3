//! The fixed sample of the fault matrix that CI runs.

use std::{
    collections::BTreeSet,
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use crate::case::{Case, Course, Second};

/// Cases in which every feature of `all` occurs: each call of each setting, each fault at each kind of call, each
/// course in each setting and of each fault, and each second fault. The same seed gives the same cases, in the order of
/// `all`. A case that is new in `all` does not change the turn of the others.
pub fn choose(all: Vec<Case>, seed: u64) -> Vec<Case> {
    let mut turns: Vec<usize> = (0..all.len()).collect();
    turns.sort_by_cached_key(|index| all.get(*index).map(|case| turn(&case.name(), seed)));
    let (mut seen, mut chosen) = (BTreeSet::new(), BTreeSet::new());
    for index in turns {
        for feature in all.get(index).into_iter().flat_map(features) {
            if seen.insert(feature) {
                chosen.insert(index);
            }
        }
    }
    let cases = all.into_iter().enumerate();
    cases
        .filter(|(index, _)| chosen.contains(index))
        .map(|(_, case)| case)
        .collect()
}

/// Position of a case in the order in which cases are considered.
fn turn(name: &str, seed: u64) -> u64 {
    let mut hasher = DefaultHasher::new();
    (seed, name).hash(&mut hasher);
    hasher.finish()
}

fn features(case: &Case) -> Vec<String> {
    let Case {
        setting, step, fault, ..
    } = case;
    let call = step.kind;
    let (course, second) = match case.course {
        Course::Once => ("once", None),
        Course::Lasting => ("from then on", None),
        Course::Then(Second(second)) => ("first of a pair", Some(second)),
    };
    let mut features = vec![
        format!("{setting}: {call}"),
        format!("{call}: {fault}"),
        format!("{setting}: {course}"),
        format!("{fault}: {course}"),
    ];
    features.extend(second.map(|second| format!("second of a pair: {second}")));
    features
}

#[cfg(test)]
mod tests {
    use test_cluster::listener::faulty::Side;

    use super::*;
    use crate::{
        case::{Kind, Step},
        situation::Setting,
    };

    /// A matrix without servers: each setting makes every call that belongs to it.
    fn matrix() -> Vec<Case> {
        let kinds = [
            (Side::ApiServer, Kind::Read),
            (Side::ApiServer, Kind::Placeholder),
            (Side::ApiServer, Kind::TokenRequest),
            (Side::ApiServer, Kind::Apply),
            (Side::ApiServer, Kind::ReadAgain),
            (Side::ApiServer, Kind::Review),
            (Side::ApiServer, Kind::AccessReview),
            (Side::ApiServer, Kind::RulesReview),
            (Side::Registry, Kind::Ping),
            (Side::Registry, Kind::Manifest),
        ];
        let steps = kinds.iter().enumerate().map(|(index, (side, kind))| Step {
            side: *side,
            number: index + 1,
            kind: *kind,
            has_body: !matches!(kind, Kind::Read | Kind::ReadAgain | Kind::Ping | Kind::Manifest),
            answer_has_body: *kind != Kind::Manifest,
        });
        let steps: Vec<Step> = steps.collect();
        Setting::all()
            .flat_map(|setting| steps.iter().map(move |step| (setting, step)))
            .filter(|(setting, step)| step.belongs_to(*setting))
            .flat_map(|(setting, step)| Case::all(setting, step, 1))
            .collect()
    }

    fn names(cases: &[Case]) -> Vec<String> {
        cases.iter().map(Case::name).collect()
    }

    #[test]
    fn a_sample_has_every_call_of_every_setting_and_every_fault_at_every_call() {
        let all = matrix();
        let values = |cases: &[Case], value: fn(&Case) -> String| -> BTreeSet<String> {
            cases.iter().map(value).collect()
        };
        for seed in 0..20 {
            let sample = choose(all.clone(), seed);
            for value in [
                (|case| format!("{} {}", case.setting, case.step.kind)) as fn(&Case) -> String,
                |case| format!("{} {}", case.step.kind, case.fault),
                |case| format!("{} {:?}", case.fault, std::mem::discriminant(&case.course)),
                |case| match case.course {
                    Course::Then(Second(second)) => second.to_string(),
                    Course::Once | Course::Lasting => String::new(),
                },
            ] {
                assert_eq!(values(&sample, value), values(&all, value), "seed {seed}");
            }
            let (sample, all) = (sample.len(), all.len());
            assert!(sample * 4 < all, "seed {seed}: {sample} of {all} cases");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_sample_and_another_seed_another_one() {
        let sample = names(&choose(matrix(), 1));
        assert_eq!(names(&choose(matrix(), 1)), sample);
        assert_ne!(names(&choose(matrix(), 2)), sample);
    }

    #[test]
    fn a_sample_keeps_the_order_and_has_each_case_once() {
        let all = names(&matrix());
        let sample = names(&choose(matrix(), 1));
        let positions: Vec<_> = sample
            .iter()
            .map(|name| all.iter().position(|other| other == name))
            .collect();
        assert!(positions.is_sorted_by(|first, second| first < second));
    }

    #[test]
    fn a_sample_of_no_cases_is_empty() {
        assert!(choose(Vec::new(), 1).is_empty());
    }
}
