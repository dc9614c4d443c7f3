//! Tests of registries and endpoints.

use proptest::prelude::*;

use super::*;

fn registry(text: &str) -> RegistryHost {
    RegistryHost::parse(text).unwrap()
}

#[test]
fn registry_has_key_host_and_endpoint() {
    for (text, key, host_port, dialled) in [
        ("quay.io", "quay.io", "quay.io", "quay.io:443"),
        ("quay.io/team", "quay.io/team", "quay.io", "quay.io:443"),
        (
            "Registry.example.com:5000/a/b",
            "Registry.example.com:5000/a/b",
            "Registry.example.com:5000",
            "registry.example.com:5000",
        ),
        (
            "docker.io",
            "https://index.docker.io/v1/",
            "docker.io",
            "registry-1.docker.io:443",
        ),
        (
            "docker.io/team",
            "docker.io/team",
            "docker.io",
            "registry-1.docker.io:443",
        ),
        ("localhost", "localhost", "localhost", "localhost:443"),
        (
            "localhost:5000",
            "localhost:5000",
            "localhost:5000",
            "localhost:5000",
        ),
        ("registry:5000", "registry:5000", "registry:5000", "registry:5000"),
        ("10.0.0.1", "10.0.0.1", "10.0.0.1", "10.0.0.1:443"),
        ("[::1]:5000", "[::1]:5000", "[::1]:5000", "[::1]:5000"),
        (
            "[FE80::1]:5000/team",
            "[FE80::1]:5000/team",
            "[FE80::1]:5000",
            "[fe80::1]:5000",
        ),
    ] {
        let registry = registry(text);
        assert_eq!(registry.key(), key);
        assert_eq!(registry.host_port(), host_port);
        assert_eq!(registry.dial().to_string(), dialled);
        assert_eq!(registry.to_string(), text);
        assert_eq!(registry.path(), text.split_once('/').map(|(_, path)| path));
    }
}

#[test]
fn errors_have_a_remedy() {
    use RegistryHostError::*;
    for (text, error) in [
        ("", Empty),
        ("https://quay.io", Scheme),
        ("quay.io/", TrailingSlash),
        ("quay.io/team/", TrailingSlash),
        ("user@quay.io", User),
        ("user:password@quay.io", User),
        ("*.quay.io", Wildcard),
        ("quay.io/*", Wildcard),
        ("quay .io", WhiteSpace),
        ("quay.io\n", WhiteSpace),
        ("quay.io\u{7f}", WhiteSpace),
        ("index.docker.io", DockerHubAlias),
        ("registry-1.docker.io/team", DockerHubAlias),
        ("Docker.io", DockerHubAlias),
        ("docker.io:443", DockerHubAlias),
        ("hub.docker.com", DockerHubAlias),
        ("registry", NotADomain("registry".to_owned())),
        ("team/model", NotADomain("team".to_owned())),
        ("my_host.example", Host(HostPortError::Host)),
        ("quay.io:port", Host(HostPortError::Port)),
        ("quay.io:0", Host(HostPortError::Port)),
        ("quay.io:0443", Host(HostPortError::Port)),
        ("quay.io:+443", Host(HostPortError::Port)),
        ("quay.io:65536", Host(HostPortError::Port)),
        ("quay.io:", Host(HostPortError::Port)),
        ("::1:5000", Host(HostPortError::Unbracketed)),
        ("[::1", Host(HostPortError::Unbracketed)),
        ("[::g]:5000", Host(HostPortError::Host)),
        ("[1.2.3.4]:5000", Host(HostPortError::Host)),
        ("[::1]:5000:443", Host(HostPortError::Host)),
        ("/team", Host(HostPortError::Host)),
        ("[::1]", Ipv6WithoutPort(Ipv6Addr::LOCALHOST)),
        ("quay.io/Team", Path),
        ("quay.io//team", Path),
        ("quay.io/team:1", Path),
        ("quay.io/team@sha256", Path),
        ("quay.io/v2/team", ApiPath),
        ("docker.io/v1/team", ApiPath),
    ] {
        match (RegistryHost::parse(text), error) {
            // An unclosed bracket has two errors, and either may be reported.
            (Err(Host(_)), _) if text == "[::1" => {}
            (found, error) => assert_eq!(found, Err(error), "{text:?}"),
        }
    }
}

#[test]
fn single_name_has_both_interpretations_in_the_remedy() {
    let message = RegistryHost::parse("registry").unwrap_err().to_string();
    assert!(
        message.contains("registry:443") && message.contains("docker.io/registry"),
        "{message}"
    );
}

#[test]
fn internal_registry_is_known_only_by_service_name_and_port() {
    for (text, expected) in [
        ("image-registry.openshift-image-registry.svc:5000", true),
        (
            "image-registry.openshift-image-registry.svc:5000/private-ai-demo",
            true,
        ),
        (
            "image-registry.openshift-image-registry.svc.cluster.local:5000",
            true,
        ),
        ("image-registry.openshift-image-registry.svc", false),
        ("image-registry.openshift-image-registry.svc:443", false),
        (
            "image-registry.openshift-image-registry.svc.example.com:5000",
            false,
        ),
        ("default-route-openshift-image-registry.apps.example.com", false),
    ] {
        assert_eq!(registry(text).is_cluster_internal(), expected, "{text}");
    }
}

#[test]
fn registry_covers_images_by_the_rule_of_the_kubelet() {
    for (text, image, expected) in [
        ("quay.io", "quay.io/team/model", true),
        ("quay.io/team", "quay.io/team/model", true),
        ("quay.io/team", "quay.io/other/model", false),
        ("docker.io", "ubuntu", true),
        ("docker.io", "index.docker.io/team/model:1", true),
        ("docker.io/team", "team/model", true),
        ("docker.io/team", "ubuntu", false),
        ("[::1]:5000", "[::1]:5000/model", true),
        ("quay.io", "quay.io:443/model", false),
    ] {
        assert_eq!(
            registry(text).covers(&ImageReference::parse(image).unwrap()),
            expected,
            "{text} {image}"
        );
    }
}

#[test]
fn endpoints_are_compared_case_insensitively_and_by_port() {
    let parse = |text| HostPort::parse(text).unwrap();
    assert_eq!(parse("Quay.IO"), parse("quay.io:443"));
    assert_ne!(parse("quay.io"), parse("quay.io:8443"));
    assert_eq!(parse("registry").to_string(), "registry:443");
    assert_eq!(
        (parse("[::1]:5000").host(), parse("[::1]:5000").port()),
        ("::1", 5000)
    );
    assert_eq!(HostPort::parse_with_port("quay.io"), Err(HostPortError::NoPort));
    assert_eq!(HostPort::parse_with_port("quay.io:443"), Ok(parse("quay.io")));
    assert_eq!(HostPort::parse("quay.io/team"), Err(HostPortError::Path));
    let longest = format!("{}.io:5000", "a".repeat(250));
    assert!(HostPort::parse(&longest).is_ok(), "253 bytes and the port");
    assert_eq!(HostPort::parse(&format!("a{longest}")), Err(HostPortError::Host));
}

proptest! {
    #[test]
    fn every_registry_covers_the_images_below_it(text in "[a-z][a-z0-9]{0,8}(\\.[a-z]{1,5}|:[1-9][0-9]{0,3})(/[a-z0-9]{1,8}){0,2}") {
        if let Ok(registry) = RegistryHost::parse(&text) {
            let image = ImageReference::parse(&format!("{text}/model:1")).unwrap();
            prop_assert!(registry.covers(&image));
            prop_assert_eq!(registry.host_port(), image.host());
        }
    }

    #[test]
    fn nothing_panics(text in any::<String>()) {
        let _ = RegistryHost::parse(&text);
        let _ = HostPort::parse(&text);
    }
}
