//! Tests of values of tens of KiB: an end at once, and short messages.

use std::time::{Duration, Instant};

use super::*;

/// The most that all messages about one value may take, in bytes.
const MESSAGES: usize = 24 << 10;

/// What is printed about a configuration with this value of one variable.
fn printed(name: &str, value: &str) -> String {
    let mut variables = vec![(name, value)];
    if name == "NO_PROXY" {
        variables.push(("HTTPS_PROXY", "http://proxy.test:3128"));
    }
    if name != "PULL_SECRET_REGISTRY" && name != "PULL_SECRET_IMAGE" {
        variables.push(("PULL_SECRET_REGISTRY", "quay.io"));
    }
    match with(&variables) {
        Ok(config) => format!("{:?}", config.warnings),
        Err(error) => format!("{:?}{:?}", error.problems, error.warnings),
    }
}

/// `count` different items, separated by commas.
fn items(count: usize, item: impl Fn(usize) -> String) -> String {
    (0..count).map(item).collect::<Vec<_>>().join(",")
}

#[test]
fn values_of_any_length_are_read_at_once_and_never_printed_whole() {
    let values = [
        "a".repeat(32 << 10),
        ",".repeat(32 << 10),
        "@".repeat(32 << 10),
        "/".repeat(32 << 10),
        "[".repeat(32 << 10),
        ":".repeat(32 << 10),
        "a,".repeat(16 << 10),
        "a.test=".repeat(5 << 10),
        "*.".repeat(16 << 10),
        "::/".repeat(16 << 10),
        "\u{e4} ".repeat(16 << 10),
        items(3_000, |i| format!("r{i}.test")),
        items(3_000, |i| format!("{i}.a")),
        items(3_000, |i| format!("r{i}.test:5000=127.0.0.1:{}", i + 1)),
        items(3_000, |i| format!("r{i}.test/team/app:v{i}")),
        items(3_000, |i| format!("10.{}.{}.0/24", i / 256, i % 256)),
        items(3_000, |i| format!("user:pass@r{i}.test")),
    ];
    for name in [
        "PULL_SECRET_TRUSTED_HOSTS",
        "PULL_SECRET_CONNECT_TO",
        "PULL_SECRET_REGISTRY",
        "PULL_SECRET_IMAGE",
        "NO_PROXY",
        "HTTPS_PROXY",
    ] {
        for value in &values {
            let begun = Instant::now();
            let printed = printed(name, value);
            let what = format!("{name}={}…", value.chars().take(20).collect::<String>());
            // Without optimization, on a machine that does other work as well.
            let took = begun.elapsed();
            assert!(took < Duration::from_secs(3), "{what}: {took:?}");
            assert!(printed.len() < MESSAGES, "{what}: {}", printed.len());
        }
    }
}
