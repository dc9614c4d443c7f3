//! Tests of the document as clients read it.

use super::*;
use crate::image::ImageReference;
use crate::image::RegistryHost;
use crate::text::SafeName;

fn image(text: &str) -> ImageReference {
    ImageReference::parse(text).unwrap()
}

fn kubelet_finds(document: &str, image_reference: &str) -> Vec<String> {
    let keyring = kubelet_reads(document.as_bytes()).unwrap();
    keyring
        .lookup(&image(image_reference))
        .into_iter()
        .map(|auth| auth.key.clone())
        .collect()
}

#[test]
fn kubelet_rejects_a_document_with_one_invalid_entry() {
    use EntryProblem::*;
    for (value, problem) in [
        ("5", NotAnObject),
        ("[]", NotAnObject),
        ("\"x\"", NotAnObject),
        (r#"{"username":5}"#, NotAString("username")),
        (r#"{"PASSWORD":{}}"#, NotAString("password")),
        (r#"{"email":[]}"#, NotAString("email")),
        (r#"{"auth":true}"#, NotAString("auth")),
        (r#"{"auth":"?"}"#, AuthNotBase64(NotBase64::Other)),
        (r#"{"auth":"dTpw YQ=="}"#, AuthNotBase64(NotBase64::Blank)),
        (r#"{"auth":"dQ=="}"#, AuthWithoutColon),
        (r#"{"username":"u","password":"p","auth":"\n"}"#, AuthWithoutColon),
    ] {
        let document = format!(r#"{{"auths":{{"{REGISTRY}":{ENTRY},"quay.io":{value}}}}}"#);
        let refusal = KubeletRefusal::Entry {
            key: SafeName::new("quay.io"),
            problem,
        };
        assert_eq!(
            kubelet_reads(document.as_bytes()).err(),
            Some(refusal.clone()),
            "{value}"
        );
        assert_eq!(
            invalid_unmanaged_entry(document.as_bytes(), &[REGISTRY]),
            Some(refusal),
            "{value}"
        );
        assert_eq!(
            invalid_unmanaged_entry(document.as_bytes(), &[REGISTRY, "quay.io"]),
            None,
            "{value}"
        );
    }
}

#[test]
fn kubelet_accepts_unknown_members() {
    for value in [
        "null",
        "{}",
        r#"{"auth":null,"username":null}"#,
        r#"{"auth":"","x":5}"#,
        r#"{"identitytoken":5}"#,
    ] {
        let document = format!(r#"{{"auths":{{"{REGISTRY}":{ENTRY},"quay.io":{value}}},"credHelpers":5}}"#);
        assert_eq!(
            kubelet_finds(&document, &format!("{REGISTRY}/ns/model")),
            [REGISTRY],
            "{value}"
        );
        assert_eq!(
            invalid_unmanaged_entry(document.as_bytes(), &[REGISTRY]),
            None,
            "{value}"
        );
    }
}

#[test]
fn kubelet_rejects_members_of_the_wrong_type() {
    for (document, refusal, foreign) in [
        (r#"{"auths":[]}"#, KubeletRefusal::Auths, false),
        (
            r#"{"auths":{},"HttpHeaders":{"a":1}}"#,
            KubeletRefusal::HttpHeaders,
            true,
        ),
        (
            r#"{"auths":{},"httpheaders":"x"}"#,
            KubeletRefusal::HttpHeaders,
            true,
        ),
        ("[]", KubeletRefusal::Document, false),
        ("{", KubeletRefusal::Document, false),
    ] {
        assert_eq!(
            kubelet_reads(document.as_bytes()).err(),
            Some(refusal),
            "{document}"
        );
        assert_eq!(
            invalid_unmanaged_entry(document.as_bytes(), &[]).is_some(),
            foreign,
            "{document}"
        );
    }
    assert!(kubelet_finds(" null\n", "quay.io/model").is_empty());
    let too_deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
    assert_eq!(
        kubelet_reads(too_deep.as_bytes()).err(),
        Some(KubeletRefusal::Document)
    );
    assert_eq!(
        containers_image_reads(too_deep.as_bytes()).err(),
        Some(ContainersImageRefusal::Document)
    );
    assert!(kubelet_reads(br#"{"auths":{},"HttpHeaders":{"a":"b","c":null}}"#).is_ok());
}

#[test]
fn kubelet_tries_the_most_specific_key_first() {
    let document = r#"{"auths":{"quay.io":{},"https://quay.io/team":{},"*.io":{},"other.io":{},"http://quay.io":{},"%":{}}}"#;
    let expected = ["https://quay.io/team", "quay.io", "http://quay.io", "*.io"];
    assert_eq!(kubelet_finds(document, "quay.io/team/model"), expected);
    assert_eq!(kubelet_finds(document, "quay.io/model"), expected[1..]);
    assert_eq!(kubelet_finds(document, "ubuntu"), ["*.io"]);
    assert!(kubelet_finds(document, "localhost:5000/model").is_empty());
}

#[test]
fn kubelet_falls_back_to_the_key_of_docker_hub() {
    let document = r#"{"auths":{"https://index.docker.io/v1/":{}}}"#;
    assert_eq!(kubelet_finds(document, "ubuntu"), ["https://index.docker.io/v1/"]);
    let document = r#"{"auths":{"https://index.docker.io/v1/":{},"docker.io/library":{}}}"#;
    assert_eq!(kubelet_finds(document, "ubuntu"), ["docker.io/library"]);
}

#[test]
fn duplicates_and_other_spellings_follow_the_rules_of_go() {
    let find = |document: &str| {
        let keyring = kubelet_reads(document.as_bytes()).unwrap();
        keyring
            .lookup(&image("quay.io/model"))
            .first()
            .map(|auth| credential(auth).1.to_owned())
    };
    for (document, username) in [
        (
            r#"{"auths":{"quay.io":{"username":"a","USERNAME":"b","u\u017fername":"c"}}}"#,
            Some("c"),
        ),
        (
            r#"{"auths":{"quay.io":{"username":"a","Username":null}}}"#,
            Some("a"),
        ),
        (r#"{"auths":{"quay.io":{"username":"a"},"quay.io":{}}}"#, Some("")),
        (
            r#"{"auths":{"quay.io":{"username":"a"}},"Auths":{"q.io":{}}}"#,
            Some("a"),
        ),
        (r#"{"auths":{"quay.io":{"username":"a"}},"Auths":null}"#, None),
    ] {
        assert_eq!(find(document).as_deref(), username, "{document}");
    }
}

fn containers_image_finds(
    document: &str,
    image_reference: &str,
) -> Result<Option<(String, String, String)>, ContainersImageLookupError> {
    let found = containers_image_reads(document.as_bytes())
        .unwrap()
        .lookup(&image(image_reference))?;
    Ok(found
        .as_ref()
        .map(credential)
        .map(|(key, user, password)| (key.to_owned(), user.to_owned(), password.to_owned())))
}

#[test]
fn containers_image_uses_the_nearest_key() {
    let document = |keys: &[&str]| {
        let entries: Vec<String> = keys
            .iter()
            .map(|key| format!(r#""{key}":{{"auth":"dTpw"}}"#))
            .collect();
        format!(r#"{{"auths":{{{}}}}}"#, entries.join(","))
    };
    for (keys, image_reference, key) in [
        (
            ["quay.io", "quay.io/team"].as_slice(),
            "quay.io/team/model",
            Some("quay.io/team"),
        ),
        (
            &["quay.io", "quay.io/team/model"],
            "quay.io/team/model:1",
            Some("quay.io/team/model"),
        ),
        (&["quay.io", "quay.io/te"], "quay.io/team/model", Some("quay.io")),
        (
            &["https://quay.io/v1/"],
            "quay.io/team/model",
            Some("https://quay.io/v1/"),
        ),
        (&["http://quay.io"], "quay.io/team/model", Some("http://quay.io")),
        (&["quay.io/"], "quay.io/team/model", None),
        (&["Quay.io", "*.io", "quay.io:443"], "quay.io/team/model", None),
        (
            &["https://index.docker.io/v1/"],
            "ubuntu",
            Some("https://index.docker.io/v1/"),
        ),
        (&["registry-1.docker.io"], "ubuntu", Some("registry-1.docker.io")),
        (
            &["https://index.docker.io/v1/", "docker.io/library"],
            "ubuntu",
            Some("docker.io/library"),
        ),
    ] {
        let found = containers_image_finds(&document(keys), image_reference).unwrap();
        assert_eq!(
            found,
            key.map(|key| (key.to_owned(), "u".to_owned(), "p".to_owned())),
            "{keys:?}"
        );
    }
}

#[test]
fn containers_image_reads_only_auth() {
    use ContainersImageLookupError::*;
    let broken = || Err(AuthNotBase64(SafeName::new("quay.io")));
    for (value, found) in [
        (r#"{"username":"u","password":"p"}"#, Ok(None)),
        (r#"{"auth":"dTpwYQ"}"#, broken()),
        (r#"{"auth":"?"}"#, broken()),
        (r#"{"auth":"dQ=="}"#, Ok(None)),
        (r#"{"auth":"Og=="}"#, Ok(None)),
        (
            r#"{"auth":"dTo="}"#,
            Ok(Some(("quay.io".to_owned(), "u".to_owned(), String::new()))),
        ),
        (
            r#"{"auth":"OnA="}"#,
            Ok(Some(("quay.io".to_owned(), String::new(), "p".to_owned()))),
        ),
        ("null", Ok(None)),
        (
            r#"{"username":"x","auth":"dTpwYQ=="}"#,
            Ok(Some(("quay.io".to_owned(), "u".to_owned(), "pa".to_owned()))),
        ),
    ] {
        // The second key would match too, but the first one is chosen.
        let document = format!(r#"{{"auths":{{"https://quay.io":{{"auth":"dTpw"}},"quay.io":{value}}}}}"#);
        assert_eq!(
            containers_image_finds(&document, "quay.io/model"),
            found,
            "{value}"
        );
    }
}

#[test]
fn credential_helper_outranks_auths_for_containers_image() {
    let document = format!(r#"{{"auths":{{"quay.io/team":{ENTRY}}},"credHelpers":{{"quay.io":"x"}}}}"#);
    let helper = ContainersImageLookupError::CredentialHelper(SafeName::new("quay.io"));
    assert_eq!(
        containers_image_finds(&document, "quay.io/team/model"),
        Err(helper)
    );
    assert_eq!(containers_image_finds(&document, "other.io/team/model"), Ok(None));
}

#[test]
fn containers_image_rejects_members_of_the_wrong_type() {
    use ContainersImageRefusal::*;
    for (document, refusal) in [
        (r#"{"auths":[]}"#, Some(Member("auths"))),
        (r#"{"credHelpers":{"a":1}}"#, Some(Member("credHelpers"))),
        (r#"{"auths":{"a":5}}"#, Some(Entry(SafeName::new("a")))),
        (r#"{"auths":{"a":{"auth":5}}}"#, Some(Entry(SafeName::new("a")))),
        (
            r#"{"auths":{"a":{"identityToken":5}}}"#,
            Some(Entry(SafeName::new("a"))),
        ),
        (
            r#"{"auths":{"a":{"username":5,"auth":null}},"credHelpers":null,"HttpHeaders":5}"#,
            None,
        ),
        (" null ", None),
        ("nul", Some(Document)),
        ("[]", Some(Document)),
    ] {
        assert_eq!(
            containers_image_reads(document.as_bytes()).err(),
            refusal,
            "{document}"
        );
    }
}

#[test]
fn identity_token_is_distinguished_from_a_password() {
    let document = br#"{"auths":{"quay.io":{"auth":"dTo=","identitytoken":"t"}}}"#;
    let found = containers_image_reads(document)
        .unwrap()
        .lookup(&image("quay.io/model"))
        .unwrap()
        .unwrap();
    assert_eq!(
        found.identity_token.as_ref().map(ExposeSecret::expose_secret),
        Some("t")
    );
}

#[test]
fn written_entry_is_found_by_both_for_any_registry() {
    for (registry, image_reference) in [
        (
            REGISTRY,
            "image-registry.openshift-image-registry.svc:5000/private-ai-demo/model:1",
        ),
        ("quay.io/team", "quay.io/team/model"),
        ("docker.io", "ubuntu"),
        ("docker.io/team", "team/model"),
        ("Registry.example.com", "Registry.example.com/model"),
        ("localhost:5000", "localhost:5000/model"),
        ("[::1]:5000", "[::1]:5000/model"),
    ] {
        let key = RegistryHost::parse(registry).unwrap().key();
        let (document, _) = set(r#"{"auths":{}}"#, &key);
        let expected = (key.as_str(), "<token>", "TOKEN");
        let keyring = kubelet_reads(document.as_bytes()).unwrap();
        let found: Vec<_> = keyring
            .lookup(&image(image_reference))
            .into_iter()
            .map(credential)
            .collect();
        assert_eq!(found, [expected], "{registry}");
        let auth_file = containers_image_reads(document.as_bytes()).unwrap();
        let found = auth_file.lookup(&image(image_reference)).unwrap().unwrap();
        assert_eq!(credential(&found), expected, "{registry}");
    }
}

#[test]
fn null_discards_earlier_members_for_containers_image() {
    let auths = format!(r#""auths":{{"quay.io":{ENTRY}}}"#);
    let helpers = r#""credHelpers":{"quay.io":"x"}"#;
    for (document, is_found) in [
        (format!(r#"{{{auths},"auths":null}}"#), false),
        (format!(r#"{{"auths":null,{auths}}}"#), true),
        (format!(r#"{{{auths},{helpers},"credHelpers":null}}"#), true),
    ] {
        let found = containers_image_finds(&document, "quay.io/model");
        assert_eq!(found.map(|found| found.is_some()), Ok(is_found), "{document}");
    }
}
