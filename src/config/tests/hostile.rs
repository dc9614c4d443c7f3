//! Tests of hostile environments: a token in any variable, and arbitrary text.

use std::os::unix::ffi::OsStringExt;

use proptest::prelude::*;

use super::*;

/// A token as people have it at hand: whole, in parts, in base64, and where a URL or `auth` holds it.
fn canaries() -> Vec<String> {
    const JWT: [&str; 3] = [
        "eyJhbGciOiJSUzI1NiIsImtpZCI6ImNhbmFyeSJ9",
        "eyJzdWIiOiJzeXN0ZW06c2VydmljZWFjY291bnQ6YTpiIiwiZXhwIjo5OTk5OTk5OTk5fQ",
        "c2lnbmF0dXJlQ2FuYXJ5U2lnbmF0dXJlMDEyMzQ1Njc4OQ",
    ];
    let whole = JWT.join(".");
    let mut canaries: Vec<String> = JWT.iter().map(|&part| part.to_owned()).collect();
    canaries.extend([
        "ZXlKaGJHY2lPaUpTVXpJMU5pSXNJbXRwWkNJNkltTmhibUZ5ZVNKOQ==".to_owned(),
        "PHRva2VuPjpleUpoYkdjaU9pSlNVekkxTmlJc0ltdHBaQ0k2SW1OaGJtRnllU0o5".to_owned(),
        "sha256~Y2FuYXJ5Y2FuYXJ5".to_owned(),
        format!("https://user:{whole}@quay.io"),
        format!("{whole}\n"),
        whole,
    ]);
    canaries
}

#[test]
fn token_in_any_variable_is_never_printed() {
    let platform = [
        "KUBERNETES_SERVICE_HOST",
        "KUBERNETES_SERVICE_PORT",
        "HTTPS_PROXY",
        "NO_PROXY",
        "SSL_CERT_FILE",
    ];
    let unknown = ["PULL_SECRET_TOKEN", "PULL_SECRET_NMAE"];
    let reserved = ["PULL_SECRET_NAMESPACES", "PULL_SECRET_SHARDS"];
    let names = VARIABLES
        .iter()
        .map(|variable| variable.name)
        .chain(platform)
        .chain(unknown)
        .chain(reserved);
    for name in names {
        for canary in canaries() {
            let printed = match with(&[(name, &canary)]) {
                Ok(config) => format!("{:?}{:?}", config.effective(), config.warnings),
                Err(error) => format!("{:?}{:?}{:?}", error.problems, error.warnings, error.context),
            };
            for part in canary
                .trim()
                .split(['.', ':', '@', '/'])
                .filter(|part| part.len() > 9)
            {
                assert!(!printed.contains(part), "{name}={canary:?}: {printed}");
            }
        }
    }
}

#[test]
fn invalid_list_items_are_not_in_the_example() {
    for (given, right) in [
        (
            [
                ("PULL_SECRET_REGISTRY", "user:hunter2@quay.io,quay.io/team"),
                ("PULL_SECRET_IMAGE", "ubuntu"),
            ],
            "PULL_SECRET_REGISTRY=quay.io/team,docker.io",
        ),
        (
            [
                ("PULL_SECRET_TRUSTED_HOSTS", "user:hunter2@quay.io,a.test"),
                ("PULL_SECRET_REGISTRY", "quay.io"),
            ],
            "a.test,quay.io",
        ),
        (
            [
                ("PULL_SECRET_REGISTRY", "eyJzdWI.test:5000,quay.io"),
                ("PULL_SECRET_IMAGE", "ubuntu"),
            ],
            "PULL_SECRET_REGISTRY=quay.io,docker.io",
        ),
    ] {
        let problems = problems(&given);
        let printed = format!("{problems:?}");
        assert!(
            !printed.contains("hunter2") && !printed.contains("eyJ"),
            "{printed}"
        );
        assert!(
            problems
                .iter()
                .any(|problem| problem.example.as_deref() == Some(right)),
            "{printed}"
        );
    }
}

fn any_text() -> impl Strategy<Value = OsString> {
    prop_oneof![
        any::<Vec<u8>>().prop_map(OsString::from_vec),
        any::<String>().prop_map(OsString::from),
        "[ -~]{0,40}".prop_map(OsString::from),
        "[0-9]{1,25}[smhd%]".prop_map(OsString::from),
        "([a-z0-9.]{1,9}[:/@=,]){1,5}".prop_map(OsString::from),
    ]
}

fn any_name() -> impl Strategy<Value = OsString> {
    let known: Vec<OsString> = VARIABLES.iter().map(|variable| variable.name.into()).collect();
    prop_oneof![
        4 => proptest::sample::select(known),
        1 => any_text(),
        1 => any_text().prop_map(|name| {
            let mut prefixed = OsString::from(PREFIX);
            prefixed.push(name);
            prefixed
        }),
        1 => proptest::sample::select(vec!["KUBERNETES_SERVICE_HOST", "HTTPS_PROXY", "RESULTS_MESSAGE_PATH"])
            .prop_map(OsString::from),
    ]
}

proptest! {
    #[test]
    fn any_environment_gives_a_configuration_or_problems(
        variables in proptest::collection::vec((any_name(), any_text()), 0..12)
    ) {
        match Config::from_env(variables) {
            Ok(config) => prop_assert!(!config.registries.is_empty()),
            Err(error) => {
                prop_assert!(!error.problems.is_empty());
                for problem in &error.problems {
                    prop_assert!(!problem.cause().contains(char::is_control), "{:?}", problem);
                }
            }
        }
    }
}
