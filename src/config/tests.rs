//! The configuration as a whole.

use std::os::unix::ffi::OsStringExt;

use proptest::prelude::*;

use super::*;

const INTERNAL: &str = "image-registry.openshift-image-registry.svc:5000";

fn from(variables: &[(&str, &str)]) -> Result<Config, Box<ConfigError>> {
    Config::from_env(variables.iter().map(|(name, value)| (name.into(), value.into())))
}

/// A right environment, changed by `variables`.
fn with(variables: &[(&str, &str)]) -> Result<Config, Box<ConfigError>> {
    let mut all = vec![("PULL_SECRET_NAME", "internal-registry-private-ai")];
    all.retain(|(name, _)| variables.iter().all(|(other, _)| name != other));
    all.extend(variables);
    from(&all)
}

fn config(variables: &[(&str, &str)]) -> Config {
    with(variables).unwrap_or_else(|error| panic!("{variables:?}: {:?}", error.problems))
}

fn problems(variables: &[(&str, &str)]) -> Vec<Problem> {
    match with(variables) {
        Ok(_) => Vec::new(),
        Err(error) => error.problems,
    }
}

#[test]
fn a_name_alone_is_enough() {
    let config = config(&[]);
    assert_eq!(config.name.as_str(), "internal-registry-private-ai");
    assert_eq!(config.namespace, None);
    assert_eq!(
        config
            .registries
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        [INTERNAL]
    );
    assert_eq!(
        (config.mode, config.verify, config.access),
        (Mode::Ensure, Depth::Registry, Access::Pull)
    );
    assert_eq!(config.token_lifetime.as_secs(), 24 * 60 * 60);
    assert_eq!(config.refresh_below.to_string(), "40%");
    assert_eq!(config.next_run_within, NextRun::Unknown);
    assert_eq!(config.username, "<token>");
    assert_eq!((config.display_name, config.description), (None, None));
    assert!(config.connection && config.output.strict);
    assert_eq!(config.timeout, Duration::from_secs(120));
    assert_eq!(
        config.service_account_dir.to_str(),
        Some("/var/run/secrets/kubernetes.io/serviceaccount")
    );
    assert_eq!(config.output, Output::default());
    assert_eq!(config.api_server, None);
    assert_eq!(config.warnings, Vec::<String>::new());
}

#[test]
fn every_example_of_the_table_is_right() {
    for variable in VARIABLES {
        let trusted = ("PULL_SECRET_TRUSTED_HOSTS", "quay.io");
        let result = match variable.name {
            "PULL_SECRET_REGISTRY" => with(&[trusted, (variable.name, variable.example)]),
            _ => with(&[(variable.name, variable.example)]),
        };
        assert!(
            result.is_ok(),
            "{}: {:?}",
            variable.name,
            result.err().map(|error| error.problems)
        );
    }
}

#[test]
fn every_wrong_value_is_a_problem_of_its_variable() {
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
        ("MODE", &["Ensure", "plan", "doctor", "apply", " ensure"]),
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
fn all_mistakes_are_reported_together_and_the_output_as_far_as_it_is_right() {
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
        results: vec![(crate::report::ResultName::Status, "/results/STATUS".into())],
        ..Output::default()
    };
    assert_eq!(error.output, output);
}

#[test]
fn what_a_wrong_configuration_is_about_is_told_as_far_as_it_is_right() {
    let error = with(&[("PULL_SECRET_MODE", "verify"), ("PULL_SECRET_TIMEOUT", "x")]).expect_err("a problem");
    let subject = Subject {
        mode: Some(Mode::Verify),
        namespace: None,
        name: Some("internal-registry-private-ai".to_owned()),
        next_run_unknown: true,
    };
    assert_eq!(error.subject, subject);
}

#[test]
fn reserved_modes_are_told_from_unknown_ones() {
    for mode in ["plan", "doctor"] {
        let problems = problems(&[("PULL_SECRET_MODE", mode)]);
        let expected = format!("asks for the mode {mode}, which this version does not have");
        assert_eq!(
            problems
                .iter()
                .map(|problem| problem.problem.clone())
                .collect::<Vec<_>>(),
            [expected]
        );
    }
}

#[test]
fn a_minted_token_goes_to_openshifts_registry_and_to_trusted_hosts_alone() {
    let given = [(
        "PULL_SECRET_REGISTRY",
        "quay.io/team,route.example.com,quay.io/team",
    )];
    let untrusted = problems(&given);
    assert_eq!(untrusted.len(), 2, "{untrusted:?}");
    for (problem, host) in untrusted.iter().zip(["quay.io", "route.example.com"]) {
        assert_eq!(problem.variable, "PULL_SECRET_TRUSTED_HOSTS");
        assert!(problem.problem.contains(host), "{problem:?}");
    }
    let right = untrusted
        .first()
        .and_then(|problem| problem.example.clone())
        .expect("a right value");
    let config = config(&[given[0], ("PULL_SECRET_TRUSTED_HOSTS", &right)]);
    assert!(
        config
            .registries
            .iter()
            .all(|registry| config.may_receive_kubernetes_token(registry))
    );

    for other in [
        ("PULL_SECRET_TOKEN_FILE", "/token"),
        ("PULL_SECRET_MODE", "verify"),
    ] {
        assert_eq!(problems(&[given[0], other]), vec![], "{other:?}");
    }
}

#[test]
fn trust_is_in_a_host_and_its_port() {
    for (trusted, registry, trusts) in [
        ("quay.io", "quay.io/team", true),
        ("QUAY.io:443", "quay.io", true),
        ("quay.io", "quay.io:8443", false),
        ("docker.io", "docker.io/team", true),
        ("registry-1.docker.io", "docker.io", true),
        ("example.com", "quay.example.com", false),
    ] {
        let config = config(&[
            ("PULL_SECRET_TRUSTED_HOSTS", trusted),
            ("PULL_SECRET_REGISTRY", registry),
            ("PULL_SECRET_MODE", "verify"),
        ]);
        let registry = config.registries.first().expect("one registry");
        assert_eq!(
            config.may_receive_kubernetes_token(registry),
            trusts,
            "{trusted} {registry}"
        );
    }
}

#[test]
fn an_uncovered_image_is_told_with_the_value_that_would_cover_it() {
    let given = [
        ("PULL_SECRET_IMAGE", "quay.io/team/a:1,\n docker.io/b@sha256:"),
        ("PULL_SECRET_REGISTRY", INTERNAL),
    ];
    assert_eq!(problems(&given).len(), 2, "the second one has no digest");
    let given = [("PULL_SECRET_IMAGE", "quay.io/team/a:1,b")];
    let problems = problems(&given);
    let examples: Vec<_> = problems
        .iter()
        .filter_map(|problem| problem.example.clone())
        .collect();
    let right = "PULL_SECRET_REGISTRY=quay.io,docker.io";
    assert_eq!(examples, [right, right]);
    let (name, value) = right.split_once('=').expect("a setting");
    config(&[given[0], (name, value), ("PULL_SECRET_TOKEN_FILE", "/token")]);
}

#[test]
fn images_are_read_as_pipelines_leave_them() {
    let image = format!(
        " oci://{INTERNAL}/a/b:1\n, ,\t{INTERNAL}/a/\nc@sha256:{}\n",
        "0".repeat(64)
    );
    let config = config(&[("PULL_SECRET_IMAGE", &image)]);
    let images: Vec<_> = config
        .images
        .iter()
        .map(|image| image.repository().to_owned())
        .collect();
    assert_eq!(images, ["a/b", "a/c"]);
}

#[test]
fn lists_lose_their_repetitions() {
    let registries = format!("{INTERNAL}, {INTERNAL},,");
    assert_eq!(
        config(&[("PULL_SECRET_REGISTRY", &registries)]).registries.len(),
        1
    );
}

#[test]
fn access_is_read_in_either_order() {
    for (value, access) in [
        ("Pull", Access::Pull),
        ("Push,Pull", Access::PushPull),
        (" Pull , Push ", Access::PushPull),
    ] {
        assert_eq!(config(&[("PULL_SECRET_ACCESS", value)]).access, access, "{value}");
    }
}

#[test]
fn the_next_run_is_unknown_not_planned_or_within_a_time() {
    for (value, next) in [
        ("", NextRun::Unknown),
        ("none", NextRun::NotPlanned),
        ("9h", NextRun::Within(Lifetime::parse("9h").expect("a duration"))),
    ] {
        let config = config(&[("PULL_SECRET_NEXT_RUN_WITHIN", value)]);
        assert_eq!(config.next_run_within, next);
        assert_eq!(config.subject().next_run_unknown, next == NextRun::Unknown);
    }
}

#[test]
fn beside_a_token_file_a_service_account_has_no_effect_and_that_is_said() {
    let config = config(&[
        ("PULL_SECRET_TOKEN_FILE", "/token"),
        ("PULL_SECRET_SERVICE_ACCOUNT", "puller"),
    ]);
    assert_eq!(config.service_account, None);
    assert!(
        config
            .warnings
            .iter()
            .any(|warning| warning.starts_with("PULL_SECRET_SERVICE_ACCOUNT has no effect"))
    );
}

#[test]
fn an_ipv6_api_server_stands_in_brackets_and_half_an_address_is_none() {
    let host = ("KUBERNETES_SERVICE_HOST", "fd00::1");
    let server = config(&[host, ("KUBERNETES_SERVICE_PORT", "6443")]).api_server;
    assert_eq!(
        server.map(|server| server.to_string()).as_deref(),
        Some("[fd00::1]:6443")
    );
    assert_eq!(config(&[host]).api_server, None);
}

#[test]
fn the_platforms_variables_are_carried_the_capitals_first() {
    use secrecy::ExposeSecret;
    let config = config(&[
        ("https_proxy", "http://lower"),
        ("HTTPS_PROXY", "http://user:password@upper"),
        ("all_proxy", "http://all"),
        ("no_proxy", ".svc"),
        ("SSL_CERT_FILE", "/ca.crt"),
    ]);
    let exposed =
        |secret: &Option<SecretString>| secret.as_ref().map(|secret| secret.expose_secret().to_owned());
    assert_eq!(
        exposed(&config.proxy.https).as_deref(),
        Some("http://user:password@upper")
    );
    assert_eq!(exposed(&config.proxy.all).as_deref(), Some("http://all"));
    assert_eq!(config.proxy.no.as_deref(), Some(".svc"));
    assert_eq!(
        config.ssl_cert_file.as_deref(),
        Some(std::path::Path::new("/ca.crt"))
    );
    assert!(!format!("{config:?}").contains("password"));
}

#[test]
fn the_effective_configuration_names_every_variable_that_is_set() {
    let mut variables: Vec<_> = VARIABLES
        .iter()
        .map(|variable| (variable.name, variable.example))
        .collect();
    variables.retain(|(name, _)| *name != "PULL_SECRET_SERVICE_ACCOUNT");
    let effective = config(&variables).effective();
    let names: Vec<_> = effective.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, variables.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    let value = |name| {
        effective
            .iter()
            .find(|(other, _)| *other == name)
            .map(|(_, value)| value.as_str())
    };
    assert_eq!(value("PULL_SECRET_USERNAME"), Some("set"));
    assert_eq!(
        value("PULL_SECRET_CONNECT_TO"),
        Some("registry.example.com:443=10.0.0.7:5000")
    );
}

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
fn a_token_in_any_variable_is_in_no_problem_warning_or_effective_value() {
    let platform = [
        "KUBERNETES_SERVICE_HOST",
        "KUBERNETES_SERVICE_PORT",
        "HTTPS_PROXY",
        "NO_PROXY",
        "SSL_CERT_FILE",
    ];
    let unknown = ["PULL_SECRET_TOKEN", "PULL_SECRET_NMAE"];
    let reserved = ["PULL_SECRET_NAMESPACES", "JOB_COMPLETION_INDEX"];
    let names = VARIABLES
        .iter()
        .map(|variable| variable.name)
        .chain(platform)
        .chain(unknown)
        .chain(reserved);
    for name in names {
        for canary in canaries() {
            let told = match with(&[(name, &canary)]) {
                Ok(config) => format!("{:?}{:?}", config.effective(), config.warnings),
                Err(error) => format!("{:?}{:?}{:?}", error.problems, error.warnings, error.subject),
            };
            for part in canary
                .trim()
                .split(['.', ':', '@', '/'])
                .filter(|part| part.len() > 9)
            {
                assert!(!told.contains(part), "{name}={canary:?}: {told}");
            }
        }
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
