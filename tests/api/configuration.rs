//! Invalid environments: each problem is reported with its variable.

use anyhow::Result;
use ensure_pull_secret::config::VARIABLES;
use serde_json::Value;
use test_cluster::program::Program;

use crate::world::World;

/// Reserved for what this version does not have: fleets, linking and exchanges.
const RESERVED: &[(&str, &str)] = &[
    ("PULL_SECRET_NAMESPACES", "a,b"),
    ("PULL_SECRET_NAMESPACE_SELECTOR", "team=blue"),
    ("PULL_SECRET_CONCURRENCY", "16"),
    ("PULL_SECRET_NAMESPACE_TIMEOUT", "1m"),
    ("PULL_SECRET_SHARDS", "4"),
    ("PULL_SECRET_LINK_SERVICE_ACCOUNTS", "default"),
    ("PULL_SECRET_LINK_FOR", "pull"),
    ("PULL_SECRET_EXCHANGE", "jwt"),
    ("PULL_SECRET_AUDIENCE", "sts.amazonaws.com"),
];

#[tokio::test]
async fn each_reserved_variable_is_rejected_by_name() -> Result<()> {
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
                .contains("this version does not support"),
            "{outcome}"
        );
    }
    Ok(())
}

/// A value that is invalid for every variable.
const WRONG: &str = "\u{1}:/";

#[tokio::test]
async fn every_invalid_variable_is_reported_before_any_request() -> Result<()> {
    let world = World::new("all-wrong").await?;
    let own = VARIABLES.iter().map(|variable| (variable.name, WRONG));
    let platform = [
        ("KUBERNETES_SERVICE_HOST", "no host"),
        ("KUBERNETES_SERVICE_PORT", "0"),
    ];
    let wrong: Vec<_> = own.chain(platform).chain(RESERVED.iter().copied()).collect();
    let program = wrong
        .iter()
        .fold(world.program(), |program, (name, value)| program.env(name, value));
    let mark = world.mark().await?;
    let outcome = program.run().await?;
    outcome.expect("ERROR", "none", "invalid-configuration", 64);
    let problems = outcome.report["problems"].as_array().cloned().unwrap_or_default();
    for (name, _) in wrong {
        let problem = problems
            .iter()
            .find(|problem| problem["variable"] == name)
            .unwrap_or(&Value::Null);
        let is_reserved = RESERVED.iter().any(|(reserved, _)| *reserved == name);
        assert_eq!(problem["example"].is_string(), !is_reserved, "{name}: {problem}");
        assert!(
            problem["problem"].is_string() && outcome.output.stderr.contains(name),
            "{name}: {outcome}"
        );
    }
    assert_eq!(world.requests(mark).await?.len(), 0, "no request is sent");
    Ok(())
}

/// Text with the form of a token.
const TOKEN: &str =
    "eyJhbGciOiJSUzI1NiIsImtpZCI6ImNhbmFyeSJ9.eyJzdWIiOiJjYW5hcnktY2FuYXJ5In0.Y2FuYXJ5LWNhbmFyeS1jYW5hcnk";

#[tokio::test]
async fn credential_in_any_variable_or_argument_is_rejected_and_not_printed() -> Result<()> {
    let program = Program::outside()
        .env("PULL_SECRET_NAME", "x")
        .env("PULL_SECRET_LOG", "debug")
        .canary(TOKEN);
    for credential in [TOKEN, "sha256~canary-canary-canary-canary-canary"] {
        for variable in VARIABLES {
            let outcome = program
                .clone()
                .canary(credential)
                .env(variable.name, credential)
                .run()
                .await?;
            outcome
                .expect("ERROR", "none", "invalid-configuration", 64)
                .expect_message(variable.name);
        }
        for variable in [
            "HTTPS_PROXY",
            "NO_PROXY",
            "SSL_CERT_FILE",
            "KUBERNETES_SERVICE_HOST",
            "PULL_SECRET_TOKEN",
        ] {
            let value = format!("https://user:{credential}@proxy.test");
            let outcome = program
                .clone()
                .canary(credential)
                .env(variable, value)
                .run()
                .await?;
            assert_eq!(outcome.output.exit, 64, "{variable}: {outcome}");
        }
        let outcome = program
            .clone()
            .canary(credential)
            .argument(credential)
            .run()
            .await?;
        outcome.expect("ERROR", "none", "invalid-configuration", 64);
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
async fn run_outside_a_pod_ends_with_not_in_cluster() -> Result<()> {
    let outcome = Program::outside().env("PULL_SECRET_NAME", "x").run().await?;
    outcome.expect("ERROR", "none", "not-in-cluster", 64);
    Ok(())
}

#[tokio::test]
async fn registries_that_differ_in_case_and_https_proxies_are_rejected() -> Result<()> {
    let program = Program::outside()
        .env("PULL_SECRET_NAME", "x")
        .env("PULL_SECRET_TOKEN_FILE", "/robot/token");
    let twice = program.clone().env("PULL_SECRET_REGISTRY", "quay.io,Quay.io");
    twice
        .expect("ERROR", "none", "invalid-configuration", 64)
        .await?
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
