//! What the environment may not hold, each by name.

use anyhow::Result;
use serde_json::Value;
use test_cluster::program::Program;

/// Reserved for a fleet, linking and two modes that this version does not have.
const RESERVED: &[(&str, &str)] = &[
    ("PULL_SECRET_NAMESPACES", "a,b"),
    ("PULL_SECRET_NAMESPACE_SELECTOR", "team=blue"),
    ("PULL_SECRET_CONCURRENCY", "16"),
    ("PULL_SECRET_SHARDS", "4"),
    ("JOB_COMPLETION_INDEX", "0"),
    ("PULL_SECRET_LINK_SERVICE_ACCOUNTS", "default"),
    ("PULL_SECRET_LINK_FOR", "pull"),
    ("PULL_SECRET_MODE", "plan"),
    ("PULL_SECRET_MODE", "doctor"),
];

#[tokio::test]
async fn what_this_version_does_not_have_is_refused_by_name() -> Result<()> {
    for (variable, value) in RESERVED {
        let outcome = Program::outside()
            .env("PULL_SECRET_NAME", "x")
            .env(variable, value)
            .run()
            .await?;
        outcome
            .expect("ERROR", "none", "invalid-configuration", 64)
            .expect_message(variable);
        assert!(
            outcome.report["problems"]
                .to_string()
                .contains("this version does not have"),
            "{outcome}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn every_mistake_is_reported_at_once_with_an_example() -> Result<()> {
    let wrong = [
        ("PULL_SECRET_NAME", "Not_A_Name"),
        ("PULL_SECRET_NAMESPACE", "no.dots"),
        ("PULL_SECRET_REGISTRY", "https://quay.io/"),
        ("PULL_SECRET_TOKEN_LIFETIME", "5m"),
        ("PULL_SECRET_REFRESH_BELOW", "140%"),
        ("PULL_SECRET_ACCESS", "Push"),
        ("PULL_SECRET_VERIFY", "hard"),
        ("PULL_SECRET_STRICT", "maybe"),
        ("PULL_SECRET_TIMEOUT", "soon"),
        ("PULL_SECRET_USERNAME", "a:b"),
    ];
    let program = wrong.iter().fold(Program::outside(), |program, (name, value)| {
        program.env(name, value)
    });
    let outcome = program.run().await?;
    outcome.expect("ERROR", "none", "invalid-configuration", 64);
    let problems = outcome.report["problems"].as_array().cloned().unwrap_or_default();
    for (name, _) in wrong {
        let problem = problems.iter().find(|problem| problem["variable"] == name);
        assert!(
            problem.is_some_and(|problem| problem["example"] != Value::Null),
            "{name} in {problems:?}"
        );
        assert!(outcome.output.stderr.contains(name), "{name} on standard error");
    }
    Ok(())
}

#[tokio::test]
async fn help_and_version_are_the_only_arguments() -> Result<()> {
    let help = Program::outside().argument("--help").output().await?;
    assert!(help.stdout.contains("PULL_SECRET_NAME") && help.stdout.contains("PULL_SECRET_TRUSTED_HOSTS"));
    let version = Program::outside().argument("--version").output().await?;
    assert_eq!(
        version.stdout,
        format!("ensure-pull-secret {}\n", env!("CARGO_PKG_VERSION"))
    );
    for argument in ["verify", "-h", "--version=1", ""] {
        let outcome = Program::outside().argument(argument).run().await?;
        outcome
            .expect("ERROR", "none", "invalid-configuration", 64)
            .expect_message("environment");
    }
    Ok(())
}

#[tokio::test]
async fn outside_of_a_pod_it_says_so() -> Result<()> {
    let outcome = Program::outside().env("PULL_SECRET_NAME", "x").run().await?;
    outcome.expect("ERROR", "none", "not-in-cluster", 64);
    Ok(())
}

#[tokio::test]
async fn registries_that_differ_in_case_and_proxies_of_another_kind_are_mistakes() -> Result<()> {
    let program = Program::outside()
        .env("PULL_SECRET_NAME", "x")
        .env("PULL_SECRET_TOKEN_FILE", "/robot/token");
    let twice = program.clone().env("PULL_SECRET_REGISTRY", "quay.io,Quay.io");
    twice
        .run()
        .await?
        .expect("ERROR", "none", "invalid-configuration", 64)
        .expect_message("PULL_SECRET_REGISTRY");
    for proxy in [
        "https://user:canary-password@proxy.test:3128",
        "socks5://proxy.test:1080",
    ] {
        let outcome = program
            .clone()
            .env("HTTPS_PROXY", proxy)
            .canary("canary-password")
            .run()
            .await?;
        outcome
            .expect("ERROR", "none", "invalid-configuration", 64)
            .expect_message("HTTPS_PROXY");
    }
    Ok(())
}
