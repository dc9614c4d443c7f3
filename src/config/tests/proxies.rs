//! Proxies: which one a registry would be reached through, and whether it can be used.

use super::*;

/// Names of the variables with a problem.
fn named(variables: &[(&str, &str)]) -> Vec<String> {
    let problems = problems(variables);
    problems.into_iter().map(|problem| problem.variable).collect()
}

const SOCKS: &str = "socks5://proxy.test:1080";

#[test]
fn r9_proxy_that_cannot_be_parsed_is_a_mistake_and_not_printed() {
    for value in [
        "http://127.0.0.1:3128 ",
        "http:/x",
        "http://[::1",
        "http://user:p^ss@proxy.test:3128",
        "http://user:p@ss word@proxy.test",
        "http://proxy.test:0",
        "http://proxy.test:99999",
        "https://user:p^ss@proxy.test",
        " ",
        SOCKS,
    ] {
        for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
            let problems = problems(&[(name, value)]);
            let text = format!("{problems:?}");
            assert!(
                matches!(problems.as_slice(), [problem] if problem.variable == name),
                "{text}"
            );
            assert!(!text.contains("p^ss") && !text.contains("p@ss"), "{text}");
        }
    }
}

#[test]
fn r8_proxy_that_no_registry_would_use_is_ignored() {
    let registry = ("PULL_SECRET_REGISTRY", "registry.test:5000");
    let file = ("PULL_SECRET_TOKEN_FILE", "/robot/token");
    let none: [String; 0] = [];
    for (name, value) in [
        ("ALL_PROXY", SOCKS),
        ("HTTPS_PROXY", "https://proxy.test"),
        ("https_proxy", "http:/x"),
    ] {
        let proxy = (name, value);
        assert_eq!(named(&[registry, file, proxy]), [name]);
        for no_proxy in [
            ("NO_PROXY", "registry.test"),
            ("no_proxy", "other.test, .test"),
            ("NO_PROXY", "*.test:5000"),
            ("NO_PROXY", "*"),
        ] {
            assert_eq!(named(&[registry, file, proxy, no_proxy]), none, "{no_proxy:?}");
        }
        // No registry is contacted.
        for verify in ["api", "structure"] {
            let verify = ("PULL_SECRET_VERIFY", verify);
            assert_eq!(named(&[registry, file, proxy, verify]), none);
        }
        let loopback = ("PULL_SECRET_REGISTRY", "localhost:5000,127.0.0.1:5000,[::1]:5000");
        assert_eq!(named(&[loopback, file, proxy]), none);
        // One of two registries uses it.
        let two = ("PULL_SECRET_REGISTRY", "registry.test:5000,quay.io");
        assert_eq!(named(&[two, file, proxy, ("NO_PROXY", "registry.test")]), [name]);
    }
    // HTTPS_PROXY comes first.
    let https = ("HTTPS_PROXY", "http://proxy.test:3128");
    assert_eq!(named(&[registry, file, https, ("ALL_PROXY", SOCKS)]), none);
    // As in the other spelling.
    assert_eq!(named(&[registry, file, https, ("https_proxy", SOCKS)]), none);
}

#[test]
fn r8_docker_hub_is_dialled_under_another_name() {
    let file = ("PULL_SECRET_TOKEN_FILE", "/robot/token");
    let hub = ("PULL_SECRET_REGISTRY", "docker.io");
    let proxy = ("ALL_PROXY", SOCKS);
    assert_eq!(
        named(&[file, hub, proxy, ("NO_PROXY", "registry-1.docker.io")]),
        Vec::<String>::new()
    );
    assert_eq!(
        named(&[file, hub, proxy, ("NO_PROXY", "index.docker.io")]),
        ["ALL_PROXY"]
    );
}
