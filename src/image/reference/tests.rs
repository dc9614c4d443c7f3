//! Tests of image references, with the expectations of distribution/reference.

use proptest::prelude::*;

use super::*;

const SHA256: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn display(text: &str) -> Result<String, ImageReferenceError> {
    ImageReference::parse(text).map(|image| image.to_string())
}

#[test]
fn defaults_are_those_of_docker() {
    for (text, canonical) in [
        ("ubuntu", "docker.io/library/ubuntu:latest"),
        ("ubuntu:24.04", "docker.io/library/ubuntu:24.04"),
        ("team/model", "docker.io/team/model:latest"),
        ("docker.io/ubuntu", "docker.io/library/ubuntu:latest"),
        ("index.docker.io/ubuntu", "docker.io/library/ubuntu:latest"),
        ("index.docker.io/team/model", "docker.io/team/model:latest"),
        ("docker.io", "docker.io/library/docker.io:latest"),
        ("host:5000", "docker.io/library/host:5000"),
        ("localhost/model", "localhost/model:latest"),
        ("quay.io/team/model", "quay.io/team/model:latest"),
        ("Registry/model", "Registry/model:latest"),
        ("10.0.0.1:5000/model", "10.0.0.1:5000/model:latest"),
        ("[::1]:5000/model:1", "[::1]:5000/model:1"),
        ("[fe80::1]/model", "[fe80::1]/model:latest"),
        ("quay.io/a-b--c__d_e.f/g", "quay.io/a-b--c__d_e.f/g:latest"),
        (
            "image-registry.openshift-image-registry.svc:5000/private-ai-demo/model:v1",
            "image-registry.openshift-image-registry.svc:5000/private-ai-demo/model:v1",
        ),
    ] {
        assert_eq!(display(text).as_deref(), Ok(canonical), "{text}");
    }
}

#[test]
fn white_space_and_schemes_are_removed() {
    for text in [
        " quay.io/team/model:1 ",
        "quay.io/team/model\n:1",
        "\r\nquay.io/team/\tmodel:1\n",
        "oci://quay.io/team/model:1",
        "oci+native://quay.io/team/model:1",
        "oci+fetch://quay.io/team/model:1\n",
        "docker://quay.io/team/model:1",
    ] {
        assert_eq!(display(text).as_deref(), Ok("quay.io/team/model:1"), "{text:?}");
    }
}

#[test]
fn digest_takes_precedence_over_the_tag() {
    let image = ImageReference::parse(&format!("quay.io/team/model:1@{SHA256}")).unwrap();
    assert_eq!(image.reference(), SHA256);
    assert_eq!(image.digest(), Some(SHA256));
    assert_eq!(image.to_string(), format!("quay.io/team/model@{SHA256}"));
    assert_eq!(image.host(), "quay.io");
    assert_eq!(image.repository(), "team/model");
    assert_eq!(image.name(), "quay.io/team/model");
}

#[test]
fn digest_has_a_known_algorithm_and_its_length() {
    for (algorithm, digits) in [("sha256", 64), ("sha384", 96), ("sha512", 128)] {
        let image = |digits| display(&format!("quay.io/team/model@{algorithm}:{}", "a".repeat(digits)));
        assert!(image(digits).is_ok(), "{algorithm}");
        for wrong in [digits - 1, digits + 1] {
            assert_eq!(
                image(wrong),
                Err(ImageReferenceError::Digest),
                "{algorithm} {wrong}"
            );
        }
    }
}

#[test]
fn long_reference_in_a_message_has_a_shortened_digest() {
    let clipped = |text: &str| ImageReference::parse(text).unwrap().clipped(80);
    let short = format!("a.io/b@{SHA256}");
    assert_eq!(clipped(&short), short);
    assert_eq!(
        clipped(&format!("image-registry.test.svc:5000/models/granite:1@{SHA256}")),
        "image-registry.test.svc:5000/models/granite@sha256:e3b0c44298fc…"
    );
    let just_fits = format!("a.io/b23@{SHA256}");
    assert_eq!((just_fits.len(), clipped(&just_fits)), (80, just_fits.clone()));
    let tag = clipped(&format!("quay.io/team/model:{}", "1".repeat(100)));
    let name = clipped(&format!("quay.io/{}/model@{SHA256}", "a".repeat(100)));
    assert!(
        tag.starts_with("quay.io/team/model:1") && tag.chars().count() == 80,
        "{tag}"
    );
    assert!(
        name.ends_with("/model@sha256:e3b0c44298fc…") && name.chars().count() == 80,
        "{name}"
    );
}

#[test]
fn canonical_form_parses_as_itself() {
    for text in [
        "ubuntu",
        "quay.io/team/model:1",
        &format!("quay.io/team/model:1@{SHA256}"),
    ] {
        let canonical = display(text).unwrap();
        assert_eq!(display(&canonical), Ok(canonical));
    }
}

#[test]
fn invalid_part_is_named() {
    use ImageReferenceError::*;
    let hex = "a".repeat(64);
    for (text, error) in [
        ("", Empty),
        (" \n", Empty),
        ("oci://", Empty),
        ("quay.io/team/model@", NoDigest),
        ("quay.io/team/model:1@\n", NoDigest),
        ("https://quay.io/team/model", Scheme),
        ("oci://docker://quay.io/team/model", Scheme),
        (&hex, Identifier),
        ("quay.io/Team/model", Uppercase),
        ("quay.io/team/model:", Tag),
        ("quay.io/team/model:-1", Tag),
        ("quay.io/team/model:1:2", Tag),
        ("quay.io/team/model:1/2", Tag),
        ("quay.io/team/model:\u{e9}", Tag),
        (&format!("quay.io/team/model:{}", "t".repeat(129)), Tag),
        ("quay.io/team/model@sha256:abc", Digest),
        ("quay.io/team/model@sha256:", Digest),
        (&format!("quay.io/team/model@md5:{}", "a".repeat(32)), Digest),
        (&format!("quay.io/team/model@sha256:{}", "A".repeat(64)), Digest),
        (&format!("quay.io/team/model@{SHA256}@{SHA256}"), Digest),
        ("quay.io/", Repository),
        ("quay.io//model", Repository),
        ("quay.io/team/", Repository),
        ("quay.io/team/-model", Repository),
        ("quay.io/team/a..b", Repository),
        ("quay.io/team/a___b", Repository),
        ("quay.io/team/a-_b", Repository),
        ("quay.io/team/\u{e9}", Repository),
        ("/model", Repository),
        ("my_host.example/model", Host),
        ("quay.io:/model", Host),
        ("quay.io:port/model", Host),
        ("-quay.io/model", Host),
        ("user@quay.io/model", Host),
        ("[::1/model", Host),
        ("[1.2.3.4]/model", Host),
        ("[::ffff:1.2.3.4]/model", Host),
        ("[:::1]/model", Host),
        ("[::1]5000/model", Host),
        (".", Repository),
        ("./model", Host),
    ] {
        assert_eq!(display(text), Err(error), "{text:?}");
    }
}

#[test]
fn longest_name_has_255_characters_and_longest_tag_128() {
    let name = format!("quay.io/{}", "a".repeat(255 - "quay.io/".len()));
    assert!(display(&name).is_ok());
    assert_eq!(display(&format!("{name}a")), Err(ImageReferenceError::TooLong));
    assert!(display(&format!("quay.io/model:{}", "t".repeat(128))).is_ok());
    assert!(display(&"a/".repeat(200_000)).is_err());
}

proptest! {
    #[test]
    fn parsed_reference_has_safe_characters_and_parses_again(
        text in "[a-zA-Z0-9._:/@\\[\\]\u{e9} -]{0,40}",
    ) {
        if let Ok(canonical) = display(&text) {
            prop_assert!(canonical.chars().all(|c| c.is_ascii_alphanumeric() || "._:/@-[]".contains(c)));
            prop_assert_eq!(display(&canonical), Ok(canonical.clone()));
        }
    }

    #[test]
    fn nothing_panics(text in any::<String>()) {
        let _ = display(&text);
    }
}
