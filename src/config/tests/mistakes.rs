//! Tests of invalid values, one variable at a time and all together.

use super::*;

#[test]
fn every_invalid_value_is_a_problem_of_its_variable() {
    let long = "a".repeat(254);
    let table: &[(&str, &[&str])] = &[
        ("NAME", &["A", "a_b", "-a", "a.", "a b", " a", "a\n", &long]),
        ("NAMESPACE", &["a.b", "A", "-", "aa\n", &long]),
        (
            "REGISTRY",
            &[
                "https://quay.io",
                "quay.io/",
                "user@quay.io",
                "*.example.com",
                "a b.c",
                "quay",
                " , ",
                "q.io:0",
            ],
        ),
        (
            "TRUSTED_HOSTS",
            &[
                "https://quay.io",
                "quay.io/team",
                "*.example.com",
                "quay.io:99999",
                "a b",
            ],
        ),
        (
            "IMAGE",
            &[
                "image-registry.openshift-image-registry.svc:5000/a/b@",
                "quay.io/a/b:1",
                "UPPER/a",
                "http://a.b/c",
            ],
        ),
        ("MODE", &["Ensure", "Plan", "diagnose", "apply", " ensure"]),
        ("SERVICE_ACCOUNT", &["A", "ns/name", "a:b"]),
        (
            "TOKEN_LIFETIME",
            &[
                "9m",
                "599s",
                "31d",
                "24",
                "1.5h",
                "-1h",
                "24H",
                "0s",
                "9999999999999999999d",
            ],
        ),
        (
            "REFRESH_BELOW",
            &["0%", "100%", "101%", "40", "-1%", "4 0%", "00%"],
        ),
        ("NEXT_RUN_WITHIN", &["None", "never", "0s", "5", "-5m"]),
        ("TOKEN_FILE", &["token", "./token", "/a\nb"]),
        ("USERNAME", &["a:b", "a\nb", "\u{7f}"]),
        (
            "ACCESS",
            &["pull", "Push", "Pull Push", "Push,Pull,Pull", "Pull,Delete", ","],
        ),
        ("CONNECTION", &["True", "yes", "1", "true "]),
        ("DISPLAY_NAME", &["a\nb", "\u{1b}[31m"]),
        ("DESCRIPTION", &["a\nb"]),
        ("VERIFY", &["all", "Registry"]),
        ("REGISTRY_CA_FILE", &["ca.crt"]),
        (
            "CONNECT_TO",
            &[
                "a.b:1",
                "a.b=c.d:1",
                "a.b:1=c.d",
                "a.b:1=c.d:x",
                "=",
                "a.b:1=c.d:1=e.f:1",
            ],
        ),
        ("STRICT", &["False", "0"]),
        ("TIMEOUT", &["0s", "2", "61m", "1ms"]),
        ("LOG", &["trace", "INFO", "debug,hyper=trace"]),
        ("LOG_FORMAT", &["JSON", "pretty"]),
        ("TERMINATION_MESSAGE_FILE", &["termination-log"]),
        ("SERVICE_ACCOUNT_DIR", &["serviceaccount"]),
    ];
    let covered: Vec<_> = table.iter().map(|(name, _)| format!("{PREFIX}{name}")).collect();
    assert_eq!(
        covered,
        VARIABLES.iter().map(|variable| variable.name).collect::<Vec<_>>()
    );
    for (variable, (_, values)) in VARIABLES.iter().zip(table) {
        for value in *values {
            let problems = problems(&[(variable.name, value)]);
            assert!(!problems.is_empty(), "{}={value:?}", variable.name);
            for problem in problems {
                assert_eq!(problem.variable, variable.name, "{value:?}: {problem:?}");
                assert!(problem.example.is_some(), "{value:?}: {problem:?}");
                assert!(!problem.problem.contains('\n'), "{value:?}: {problem:?}");
            }
        }
    }
    for (name, value) in [
        ("KUBERNETES_SERVICE_HOST", "a/b"),
        ("KUBERNETES_SERVICE_HOST", "[::1]"),
        ("KUBERNETES_SERVICE_PORT", "0"),
        ("KUBERNETES_SERVICE_PORT", "tcp://10.0.0.1:443"),
    ] {
        let problems = problems(&[(name, value)]);
        assert_eq!(
            problems
                .iter()
                .map(|problem| problem.variable.as_str())
                .collect::<Vec<_>>(),
            [name],
            "{value}"
        );
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
        ("JOB_COMPLETION_INDEX", "0"),
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
