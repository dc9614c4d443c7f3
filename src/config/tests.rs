//! Tests of the whole configuration.

use super::*;

mod hostile;
mod long;
mod mistakes;
mod one_table;
mod proxies;

const INTERNAL: &str = "image-registry.openshift-image-registry.svc:5000";

fn from(variables: &[(&str, &str)]) -> Result<Config, Box<ConfigError>> {
    Config::from_env(variables.iter().map(|(name, value)| (name.into(), value.into())))
}

/// Configuration from a valid environment, changed by `variables`.
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
fn name_alone_is_enough() {
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
fn every_example_of_the_table_is_valid() {
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
fn invalid_configuration_has_the_context_of_the_report() {
    let error = with(&[("PULL_SECRET_MODE", "verify"), ("PULL_SECRET_TIMEOUT", "x")]).expect_err("a problem");
    let context = ReportContext {
        mode: Some(Mode::Verify),
        namespace: None,
        name: Some("internal-registry-private-ai".to_owned()),
        next_run_unknown: true,
    };
    assert_eq!(error.context, context);
}

#[test]
fn there_are_four_modes() {
    for (word, mode) in [
        ("ensure", Mode::Ensure),
        ("verify", Mode::Verify),
        ("plan", Mode::Plan),
        ("doctor", Mode::Doctor),
    ] {
        let config = config(&[("PULL_SECRET_MODE", word)]);
        assert_eq!((config.mode, config.mode.as_str()), (mode, word));
    }
}

#[test]
fn requested_token_goes_only_to_openshift_and_trusted_hosts() {
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
            .all(|registry| registry.may_receive_kubernetes_token(&config.trusted_hosts))
    );

    for other in [
        ("PULL_SECRET_TOKEN_FILE", "/token"),
        ("PULL_SECRET_MODE", "verify"),
    ] {
        assert_eq!(problems(&[given[0], other]), vec![], "{other:?}");
    }
}

#[test]
fn trust_compares_host_and_port() {
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
            registry.may_receive_kubernetes_token(&config.trusted_hosts),
            trusts,
            "{trusted} {registry}"
        );
    }
}

#[test]
fn uncovered_image_is_reported_with_the_value_that_covers_it() {
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
fn image_list_accepts_white_space_and_transports() {
    let image = format!(
        " oci://{INTERNAL}/a/b:1\n, ,\t{INTERNAL}/a/c\n@sha256:{}\n",
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
fn lists_lose_duplicates() {
    let registries = format!("{INTERNAL}, {INTERNAL},,");
    assert_eq!(
        config(&[("PULL_SECRET_REGISTRY", &registries)]).registries.len(),
        1
    );
}

#[test]
fn o12_more_than_64_images_or_registries_are_a_mistake() {
    let list = |count: usize, item: fn(usize) -> String| (0..count).map(item).collect::<Vec<_>>().join("\n");
    let image = |number| format!("{INTERNAL}/team/app:{number}");
    let registry = |number| format!("r{number}.example.com");
    for (name, item) in [
        ("PULL_SECRET_IMAGE", image as fn(usize) -> String),
        ("PULL_SECRET_REGISTRY", registry),
    ] {
        let with = |value: String| problems(&[(name, &value), ("PULL_SECRET_TOKEN_FILE", "/token")]);
        // The same item twice is one.
        for right in [list(64, item), list(64, item) + "," + &item(0)] {
            assert_eq!(with(right), [], "{name}");
        }
        let problems = with(list(65, item));
        let [problem] = problems.as_slice() else {
            panic!("{name}: {problems:?}")
        };
        assert_eq!(problem.variable, name);
        assert_eq!(problem.problem, "has 65 items, and at most 64 are allowed");
        assert_eq!(problem.given, None, "a long list is not printed");
    }
}

#[test]
fn r14_lists_are_separated_by_commas_and_white_space() {
    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let image = |name: &str| format!("{INTERNAL}/team/{name}");
    let (one, two) = (image("one:1"), image("two:1"));
    let bare = image("one");
    for (value, expected) in [
        (format!("{one}\n{two}"), vec![one.clone(), two.clone()]),
        (format!("{one}\r\n{two}\r\n"), vec![one.clone(), two.clone()]),
        (format!("\n  {one}\n  {two}\n"), vec![one.clone(), two.clone()]),
        (format!("{one} {two}"), vec![one.clone(), two.clone()]),
        (format!("{one}\t,\n ,{two},"), vec![one.clone(), two.clone()]),
        (format!("{bare}\n@{DIGEST}"), vec![format!("{bare}@{DIGEST}")]),
        (
            format!("{bare}\n@{DIGEST}\n{two}"),
            vec![format!("{bare}@{DIGEST}"), two.clone()],
        ),
        (format!("{bare}\n:1"), vec![one.clone()]),
        (
            format!("{bare}\n:1\n@{DIGEST}\n"),
            vec![format!("{bare}@{DIGEST}")],
        ),
        (format!("oci://{one}\ndocker://{one}"), vec![one.clone()]),
    ] {
        let images = config(&[("PULL_SECRET_IMAGE", &value)]).images;
        let images: Vec<String> = images.iter().map(ToString::to_string).collect();
        assert_eq!(images, expected, "{value:?}");
    }
    let config = config(&[
        ("PULL_SECRET_REGISTRY", "quay.io\nghcr.io\n:8443 a.test"),
        ("PULL_SECRET_TRUSTED_HOSTS", "quay.io ghcr.io:8443\ta.test"),
        ("PULL_SECRET_CONNECT_TO", "a.test:1=b.test:2\nc.test:3=d.test:4"),
        ("PULL_SECRET_ACCESS", "Push\nPull\n"),
    ]);
    let registries: Vec<String> = config.registries.iter().map(ToString::to_string).collect();
    assert_eq!(registries, ["quay.io", "ghcr.io:8443", "a.test"]);
    assert_eq!((config.trusted_hosts.len(), config.connect_to.len()), (3, 2));
    assert_eq!(config.access, Access::PushPull);
    // Nothing comes before it.
    let error = from(&[("PULL_SECRET_NAME", "a"), ("PULL_SECRET_IMAGE", ":1")]);
    assert!(error.is_err());
}

#[test]
fn r13_index_of_an_indexed_job_is_ignored() {
    for value in ["0", "7", "x"] {
        let config = config(&[("JOB_COMPLETION_INDEX", value)]);
        assert_eq!(config.warnings, Vec::<String>::new());
    }
    let shards = [
        ("PULL_SECRET_NAME", "a"),
        ("PULL_SECRET_SHARDS", "4"),
        ("JOB_COMPLETION_INDEX", "0"),
    ];
    let problems = from(&shards).expect_err("reserved").problems;
    let names: Vec<_> = problems.iter().map(|problem| problem.variable.as_str()).collect();
    assert_eq!(names, ["PULL_SECRET_SHARDS"]);
}

#[test]
fn v10_a_line_end_in_a_value_is_reported_as_one() {
    for (name, value, given) in [
        ("PULL_SECRET_NAME", "field\n", Some("field")),
        ("PULL_SECRET_NAME", "field\r\n", Some("field")),
        ("PULL_SECRET_NAME", "fi\neld", Some("fi_eld")),
        ("PULL_SECRET_NAMESPACE", "field\n", Some("field")),
        ("PULL_SECRET_MODE", "ensure\n", Some("ensure")),
        ("PULL_SECRET_SERVICE_ACCOUNT", "puller\n", Some("puller")),
        ("PULL_SECRET_VERIFY", "api\n", Some("api")),
        ("PULL_SECRET_TOKEN_LIFETIME", "24h\n", Some("24h")),
        ("PULL_SECRET_REFRESH_BELOW", "40%\n", Some("40_")),
        ("PULL_SECRET_NEXT_RUN_WITHIN", "9h\n", Some("9h")),
        ("PULL_SECRET_TIMEOUT", "2m\n", Some("2m")),
        ("PULL_SECRET_CONNECTION", "true\n", Some("true")),
        ("PULL_SECRET_STRICT", "true\n", Some("true")),
        ("PULL_SECRET_LOG", "info\n", Some("info")),
        ("PULL_SECRET_LOG_FORMAT", "json\n", Some("json")),
        ("PULL_SECRET_TOKEN_FILE", "/a\n", None),
        ("PULL_SECRET_USERNAME", "robot\n", None),
        ("PULL_SECRET_DISPLAY_NAME", "a\nb", None),
        ("KUBERNETES_SERVICE_HOST", "10.96.0.1\n", Some("10.96.0.1_")),
        ("KUBERNETES_SERVICE_PORT", "443\r\n", Some("443__")),
    ] {
        let variables = [("PULL_SECRET_NAME", "a"), (name, value)];
        let problems = from(&variables[usize::from(name == "PULL_SECRET_NAME")..])
            .expect_err(name)
            .problems;
        let [problem] = &problems[..] else {
            panic!("{name}: {problems:?}")
        };
        assert_eq!(problem.variable, name);
        assert_eq!(problem.problem, "has a line end: write the value without it");
        assert_eq!(problem.given.as_deref(), given, "{name}");
    }
    let outside = from(&[("PULL_SECRET_NAME", "a_b")])
        .expect_err("no name")
        .problems;
    assert!(!outside[0].problem.contains("line end"));
}

#[test]
fn access_is_parsed_in_any_order_and_written_as_the_dashboard_does() {
    for (value, access, written) in [
        ("Pull", Access::Pull, r#"["Pull"]"#),
        ("Push,Pull", Access::PushPull, r#"["Push","Pull"]"#),
        (" Pull , Push ", Access::PushPull, r#"["Push","Pull"]"#),
    ] {
        assert_eq!(config(&[("PULL_SECRET_ACCESS", value)]).access, access, "{value}");
        assert_eq!(access.as_json(), written);
    }
}

#[test]
fn next_run_is_unknown_not_planned_or_within_a_time() {
    for (value, next) in [
        ("", NextRun::Unknown),
        ("none", NextRun::NotPlanned),
        ("9h", NextRun::Within(Lifetime::parse("9h").expect("a duration"))),
    ] {
        let config = config(&[("PULL_SECRET_NEXT_RUN_WITHIN", value)]);
        assert_eq!(config.next_run_within, next);
        assert_eq!(config.report_context().next_run_unknown, next == NextRun::Unknown);
    }
}

#[test]
fn service_account_beside_a_token_file_has_no_effect_and_warns() {
    let both = config(&[
        ("PULL_SECRET_TOKEN_FILE", "/token"),
        ("PULL_SECRET_SERVICE_ACCOUNT", "puller"),
    ]);
    assert_eq!(both.service_account, None);
    assert!(
        both.warnings
            .iter()
            .any(|warning| warning.starts_with("PULL_SECRET_SERVICE_ACCOUNT has no effect"))
    );
    for alone in [
        ("PULL_SECRET_TOKEN_FILE", "/token"),
        ("PULL_SECRET_SERVICE_ACCOUNT", "puller"),
    ] {
        assert_eq!(config(&[alone]).warnings, Vec::<String>::new());
    }
}

#[test]
fn empty_registry_list_is_a_problem_and_an_invalid_item_is_one() {
    let file = ("PULL_SECRET_TOKEN_FILE", "/token");
    let causes = |more: &[(&'static str, &str)]| {
        let problems = problems(&[&[file], more].concat()).into_iter();
        problems.map(|problem| problem.problem).collect::<Vec<_>>()
    };
    let none = ("PULL_SECRET_REGISTRY", " , ");
    assert_eq!(causes(&[none]), ["has no registry"]);
    let beside = causes(&[none, ("PULL_SECRET_MODE", "nothing")]);
    assert!(beside.contains(&"has no registry".to_owned()), "{beside:?}");
    assert_eq!(causes(&[("PULL_SECRET_REGISTRY", "https://quay.io")]).len(), 1);
    assert_eq!(
        causes(&[("PULL_SECRET_REGISTRY", "quay.io,Quay.io,docker.io")]),
        ["has the same registry twice, in different case"]
    );
    assert_eq!(causes(&[("PULL_SECRET_REGISTRY", "quay.io,docker.io")]).len(), 0);
}

#[test]
fn ipv6_api_server_has_brackets_and_half_an_address_is_none() {
    let host = ("KUBERNETES_SERVICE_HOST", "fd00::1");
    let server = config(&[host, ("KUBERNETES_SERVICE_PORT", "6443")]).api_server;
    assert_eq!(
        server.map(|server| server.to_string()).as_deref(),
        Some("[fd00::1]:6443")
    );
    assert_eq!(config(&[host]).api_server, None);
}

#[test]
fn platform_variables_are_read_and_upper_case_takes_precedence() {
    use secrecy::ExposeSecret;
    let config = config(&[
        ("https_proxy", "http://lower"),
        ("HTTPS_PROXY", "http://user:password@upper"),
        ("all_proxy", "http://all"),
        ("no_proxy", ".svc"),
        ("SSL_CERT_FILE", "/ca.crt"),
    ]);
    let exposed = |variable: &Option<ProxyVariable>| {
        let variable = variable.as_ref();
        variable.map(|variable| variable.value.expose_secret().to_owned())
    };
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
fn only_http_proxies_are_accepted() {
    for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        for proxy in ["https://proxy:3128", "socks5://proxy:1080"] {
            let problems = problems(&[(name, proxy)]);
            let named = problems.iter().map(|problem| problem.variable.as_str());
            assert_eq!(named.collect::<Vec<_>>(), [name], "{proxy}");
        }
        for proxy in ["http://proxy:3128", "HTTP://proxy:3128", "proxy:3128"] {
            assert_eq!(problems(&[(name, proxy)]), [], "{proxy}");
        }
    }
}

#[test]
fn effective_configuration_has_every_variable_that_is_set() {
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

#[test]
fn effective_configuration_has_values_unless_they_may_be_secret() {
    for (name, given, shown) in [
        ("PULL_SECRET_REGISTRY", "quay.io, docker.io", "quay.io,docker.io"),
        ("PULL_SECRET_NEXT_RUN_WITHIN", "9h", "9h"),
        ("PULL_SECRET_NEXT_RUN_WITHIN", "none", "none"),
        ("PULL_SECRET_ACCESS", "Pull", "Pull"),
        ("PULL_SECRET_ACCESS", "Pull,Push", "Push,Pull"),
        ("PULL_SECRET_VERIFY", "registry", "registry"),
        ("PULL_SECRET_VERIFY", "api", "api"),
        ("PULL_SECRET_VERIFY", "structure", "structure"),
        ("PULL_SECRET_LOG", "error", "error"),
        ("PULL_SECRET_LOG", "warn", "warn"),
        ("PULL_SECRET_LOG", "info", "info"),
        ("PULL_SECRET_LOG", "debug", "debug"),
        ("PULL_SECRET_LOG_FORMAT", "text", "text"),
        ("PULL_SECRET_LOG_FORMAT", "json", "json"),
        ("PULL_SECRET_TIMEOUT", "3m", "180s"),
        ("PULL_SECRET_DESCRIPTION", "anything", "set"),
        ("PULL_SECRET_USERNAME", "<token>", "<token>"),
        ("PULL_SECRET_USERNAME", "robot", "set"),
        (
            "PULL_SECRET_REGISTRY_CA_FILE",
            "/ca/eyJhbGciOi.eyJzdWIi.c2ln",
            "set",
        ),
    ] {
        let effective = config(&[(name, given), ("PULL_SECRET_TOKEN_FILE", "/robot/token")]).effective();
        let value = effective.into_iter().find(|(other, _)| *other == name);
        assert_eq!(value, Some((name, shown.to_owned())), "{given}");
    }
}
