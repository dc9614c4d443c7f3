//! Tests of invalid values, one variable at a time and all together.

use super::*;

#[test]
fn every_invalid_value_is_a_problem_of_its_variable() {
    let long = "a".repeat(254);
    let of_table = VARIABLES
        .iter()
        .flat_map(|variable| variable.wrong.iter().map(|&value| (variable.name, value)));
    let others = [
        ("PULL_SECRET_NAME", long.as_str()),
        ("PULL_SECRET_NAMESPACE", &long),
        ("KUBERNETES_SERVICE_HOST", "a/b"),
        ("KUBERNETES_SERVICE_HOST", "[::1]"),
        ("KUBERNETES_SERVICE_PORT", "0"),
        ("KUBERNETES_SERVICE_PORT", "65536"),
        ("KUBERNETES_SERVICE_PORT", "tcp://10.0.0.1:443"),
    ];
    for (name, value) in of_table.chain(others) {
        let problems = problems(&[(name, value)]);
        assert!(!problems.is_empty(), "{name}={value:?}");
        for problem in problems {
            assert_eq!(problem.variable, name, "{value:?}: {problem:?}");
            assert!(problem.example.is_some(), "{value:?}: {problem:?}");
            assert!(!problem.problem.contains('\n'), "{value:?}: {problem:?}");
        }
    }
}

#[test]
fn all_problems_are_reported_together_with_the_valid_output() {
    let mut variables: Vec<(&str, &str)> = VARIABLES
        .iter()
        .map(|variable| (variable.name, "\u{1}:/"))
        .collect();
    variables.retain(|(name, _)| *name != "PULL_SECRET_LOG_FORMAT");
    variables.extend([
        ("PULL_SECRET_LOG_FORMAT", "json"),
        ("PULL_SECRET_NAMESPACES", "a,b"),
        ("KUBERNETES_SERVICE_HOST", "/"),
        ("KUBERNETES_SERVICE_PORT", "/"),
        ("RESULTS_STATUS_PATH", "/results/STATUS"),
    ]);
    let error = from(&variables).expect_err("nothing is right");
    for (name, _) in &variables {
        let count = error
            .problems
            .iter()
            .filter(|problem| problem.variable == *name)
            .count();
        let right = matches!(*name, "PULL_SECRET_LOG_FORMAT" | "RESULTS_STATUS_PATH");
        assert_eq!(count, usize::from(!right), "{name}");
    }
    let output = Output {
        log_format: LogFormat::Json,
        results: vec![(crate::outcome::ResultName::Status, "/results/STATUS".into())],
        ..Output::default()
    };
    assert_eq!(error.output, output);
}
