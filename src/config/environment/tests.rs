use std::os::unix::ffi::OsStringExt;

use super::*;

fn sorted(variables: &[(&str, &str)]) -> (Environment, Vec<Problem>) {
    let mut problems = Vec::new();
    let variables = variables
        .iter()
        .map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let environment = sort(variables, &mut problems);
    (environment, problems)
}

#[test]
fn empty_value_means_unset() {
    let (environment, problems) = sorted(&[
        ("PULL_SECRET_NAME", ""),
        ("PULL_SECRET_NMAE", ""),
        ("HTTPS_PROXY", ""),
    ]);
    assert_eq!(environment.values.name.value, None);
    assert!(environment.platform.is_empty());
    assert_eq!((environment.warnings, problems), (vec![], vec![]));
}

#[test]
fn names_are_known_only_with_one_prefix_and_in_upper_case() {
    for name in [
        "PULL_SECRET_PULL_SECRET_NAME",
        "PULL_SECRET_Name",
        "PULL_SECRET_NMAE",
        "PULL_SECRET_NAM",
    ] {
        let (environment, _) = sorted(&[(name, "x")]);
        assert_eq!(environment.values.name.value, None, "{name}");
        let warning = environment.warnings.first().expect("a warning");
        assert!(warning.starts_with(name), "{warning}");
        assert!(warning.ends_with(" PULL_SECRET_NAME"), "{warning}");
    }
    let (environment, _) = sorted(&[("pull_secret_name", "x")]);
    assert_eq!(
        (environment.values.name.value, environment.warnings),
        (None, vec![])
    );
}

#[test]
fn unknown_name_without_a_similar_one_points_to_help() {
    let (environment, _) = sorted(&[("PULL_SECRET_WHATEVER_ELSE", "x")]);
    let warning = environment.warnings.first().expect("a warning");
    assert!(warning.ends_with("--help lists the known variables"), "{warning}");
}

#[test]
fn service_links_cause_no_warning() {
    let links = [
        "PULL_SECRET_SERVICE_HOST",
        "PULL_SECRET_SERVICE_PORT",
        "PULL_SECRET_SERVICE_PORT_HTTPS",
        "PULL_SECRET_PORT",
        "PULL_SECRET_PORT_443_TCP",
        "PULL_SECRET_PORT_443_TCP_PROTO",
        "PULL_SECRET_PORT_443_TCP_PORT",
        "PULL_SECRET_PORT_443_TCP_ADDR",
        "PULL_SECRET_WEBHOOK_SERVICE_HOST",
        "PULL_SECRET_WEBHOOK_PORT_53_UDP_ADDR",
    ];
    for link in links {
        assert_eq!(
            sorted(&[(link, "10.0.0.1")]).0.warnings,
            Vec::<String>::new(),
            "{link}"
        );
    }
    for other in [
        "PULL_SECRET_PORTS",
        "PULL_SECRET_PORT_443",
        "PULL_SECRET_SERVICE",
        "PULL_SECRET_PORT_443_TCP_X",
    ] {
        assert_eq!(sorted(&[(other, "x")]).0.warnings.len(), 1, "{other}");
    }
}

#[test]
fn each_variable_of_a_later_version_is_a_problem() {
    // Contract, sections 2 and 9.
    let names = [
        "PULL_SECRET_AUDIENCE",
        "PULL_SECRET_CONCURRENCY",
        "PULL_SECRET_EXCHANGE",
        "PULL_SECRET_LINK_FOR",
        "PULL_SECRET_LINK_SERVICE_ACCOUNTS",
        "PULL_SECRET_NAMESPACES",
        "PULL_SECRET_NAMESPACE_SELECTOR",
        "PULL_SECRET_NAMESPACE_TIMEOUT",
        "PULL_SECRET_SHARDS",
    ];
    let mut reserved: Vec<_> = RESERVED.iter().map(|(name, _)| *name).collect();
    reserved.sort_unstable();
    assert_eq!(reserved, names);
    for (name, _) in RESERVED {
        let (environment, problems) = sorted(&[(name, "1")]);
        let problem = problems.first().expect("a problem");
        assert_eq!((problem.variable.as_str(), problems.len()), (*name, 1));
        assert!(
            problem.problem.ends_with("which this version does not support"),
            "{problem:?}"
        );
        assert_eq!(environment.warnings, Vec::<String>::new(), "{name}");
    }
}

#[test]
fn known_variables_must_be_utf_8_and_others_need_not() {
    let bytes = || OsString::from_vec(vec![0xff, 0xfe]);
    let mut problems = Vec::new();
    let known = [
        "PULL_SECRET_NAME",
        "KUBERNETES_SERVICE_HOST",
        "RESULTS_STATUS_PATH",
        "PULL_SECRET_SHARDS",
    ];
    let others = [(OsString::from("PATH"), bytes()), (bytes(), bytes())];
    sort(
        known
            .map(|name| (OsString::from(name), bytes()))
            .into_iter()
            .chain(others),
        &mut problems,
    );
    let names: Vec<_> = problems.iter().map(|problem| problem.variable.as_str()).collect();
    assert_eq!(names, known);
    assert!(
        problems
            .iter()
            .all(|problem| problem.problem == "is not valid UTF-8")
    );
}

#[test]
fn name_with_the_prefix_that_is_not_utf_8_is_unknown() {
    let mut name = PREFIX.as_bytes().to_vec();
    name.extend([0xff, b'\n']);
    let mut problems = Vec::new();
    let environment = sort([(OsString::from_vec(name), OsString::from("x"))], &mut problems);
    assert!(
        environment
            .warnings
            .iter()
            .all(|warning| warning.starts_with("PULL_SECRET___ is unknown"))
    );
    assert_eq!((environment.warnings.len(), problems), (1, vec![]));
}

#[test]
fn unknown_name_that_looks_like_a_credential_is_not_printed() {
    let (environment, _) = sorted(&[("PULL_SECRET_eyJzdWIiOiJ4In0.c2ln", "x")]);
    assert_eq!(environment.warnings.len(), 1);
    assert!(
        !environment.warnings[0].contains("eyJ"),
        "{:?}",
        environment.warnings
    );
}

#[test]
fn token_is_rejected_in_every_variable_and_not_printed() {
    for variable in VARIABLES {
        for token in ["eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln", "sha256~c2VjcmV0"] {
            let (_, problems) = sorted(&[(variable.name, token)]);
            let problem = problems.first().expect("a problem");
            assert_eq!(
                (problem.variable.as_str(), problem.given.as_deref()),
                (variable.name, None)
            );
        }
    }
}

#[test]
fn name_with_two_values_is_a_problem() {
    let (_, problems) = sorted(&[("PULL_SECRET_NAME", "a"), ("PULL_SECRET_NAME", "b")]);
    assert_eq!(problems.len(), 1);
    let right = VARIABLES
        .iter()
        .find(|variable| variable.name == "PULL_SECRET_NAME");
    assert_eq!(
        problems.first().and_then(|problem| problem.example.as_deref()),
        right.map(|variable| variable.example)
    );
    let (_, problems) = sorted(&[("PULL_SECRET_NAME", "a"), ("PULL_SECRET_NAME", "a")]);
    assert_eq!(problems, vec![]);
}

#[test]
fn edits_are_counted() {
    for (one, other, count) in [
        ("", "", 0),
        ("", "ab", 2),
        ("kitten", "sitting", 3),
        ("abc", "abc", 0),
        ("ab", "ba", 2),
    ] {
        assert_eq!(
            (edits(one, other), edits(other, one)),
            (count, count),
            "{one} {other}"
        );
    }
}
