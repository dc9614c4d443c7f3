//! Documents from the field, in `tests/field`: what `verify` and `ensure` make of each.

use std::{collections::BTreeSet, fs, path::PathBuf};

use crate::{
    commands::fixtures::{Login, Scene, reasons},
    config::Mode,
    outcome::{Outcome, Reason},
};

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/field")
}

fn document(name: &str) -> String {
    let path = directory().join(name).with_extension("json");
    fs::read_to_string(path).expect("a document")
}

/// The registry accepts the robot `team+robot` and the user of Docker Hub.
fn scene(name: &str) -> Scene {
    let (registry, image) = match name {
        hub if hub.starts_with("hub-") => ("docker.io", "docker.io/team/app:1.0"),
        "oc-whoami-sa" => (
            "image-registry.openshift-image-registry.svc:5000",
            "image-registry.openshift-image-registry.svc:5000/team/app:1.0",
        ),
        _ => ("localhost:46000", "localhost:46000/team/app:1.0"),
    };
    let scene = Scene::with_document(&document(name))
        .with("PULL_SECRET_REGISTRY", registry)
        .with("PULL_SECRET_IMAGE", image)
        .with("PULL_SECRET_CONNECT_TO", "");
    scene.cluster().registry = |login| match login.password {
        "s3cr3t-robot-pass" | "pw" => 200,
        _ => 401,
    };
    scene
}

/// Words of all findings, or of all warnings where there is no finding.
fn words(outcome: &Outcome) -> String {
    let causes = outcome.findings.iter().map(|finding| finding.cause.as_str());
    let warnings = outcome.warnings.iter().map(String::as_str);
    causes.chain(warnings).collect::<Vec<_>>().join(" | ")
}

/// What `verify` and `ensure` make of a document.
struct Case {
    name: &'static str,
    /// The findings of `verify`, and part of their causes or of the warnings.
    verify: (&'static [Reason], &'static str),
    warnings: usize,
    /// The findings of `ensure` with a working robot.
    ensure: &'static [Reason],
}

const fn case(
    name: &'static str,
    verify: (&'static [Reason], &'static str),
    warnings: usize,
    ensure: &'static [Reason],
) -> Case {
    Case {
        name,
        verify,
        warnings,
        ensure,
    }
}

const OK: &[Reason] = &[];
const NO_ENTRY: &[Reason] = &[Reason::NoMatchingEntry];
const REJECTED: &[Reason] = &[Reason::CredentialRejected];
const UNWRAPPED: &[Reason] = &[Reason::AuthsMissing];
const AMBIGUOUS: &[Reason] = &[Reason::DocumentAmbiguous];
const UNREADABLE: &[Reason] = &[Reason::DocumentUnreadable];
const INVALID: &[Reason] = &[Reason::UnmanagedEntryInvalid];
const NO_ENTRY_AND_INVALID: &[Reason] = &[Reason::UnmanagedEntryInvalid, Reason::NoMatchingEntry];

const CASES: &[Case] = &[
    // V1: spellings of a key.
    case("key-https", (OK, ""), 0, OK),
    case("key-httpsslash", (OK, ""), 0, OK),
    case("key-slash", (OK, "find no entry"), 1, OK),
    case("key-v1", (OK, ""), 0, OK),
    case("key-v2", (OK, ""), 0, OK),
    case("key-http", (OK, ""), 0, OK),
    case("key-glob", (OK, "find no entry"), 1, OK),
    case("key-pathslash", (OK, "find no entry"), 1, OK),
    case(
        "key-noport",
        (NO_ENTRY, "has no entry for localhost:46000"),
        0,
        OK,
    ),
    case("hub-dockerio", (OK, ""), 0, OK),
    case("hub-index", (OK, ""), 0, OK),
    case("hub-index2", (OK, ""), 0, OK),
    case("hub-hub", (NO_ENTRY, "has no entry for docker.io"), 0, OK),
    case("hub-reg1", (NO_ENTRY, "has no entry for docker.io"), 0, OK),
    // V2: several entries.
    case("key-path", (OK, ""), 0, OK),
    case("two-paths", (OK, ""), 0, OK),
    case("two-paths-rev", (OK, ""), 0, OK),
    case(
        "empty-more-specific",
        (OK, "tries the entry localhost:46000/team first"),
        2,
        OK,
    ),
    // V3: a key in capitals.
    case(
        "key-upper",
        (NO_ENTRY, "no client uses its key LOCALHOST:46000 for it"),
        0,
        OK,
    ),
    // V4: a user name with a colon.
    case("kube-admin", (NO_ENTRY, "a colon in its user name"), 0, OK),
    case("oc-whoami-sa", (NO_ENTRY, "a colon in its user name"), 0, OK),
    // V5: credential helpers and stores.
    case(
        "desktop-creds-store",
        (NO_ENTRY, "credential store desktop"),
        1,
        OK,
    ),
    case("cred-helper", (OK, "credential helper ecr-login"), 1, OK),
    // V6: malformed entries.
    case("unpadded", (OK, "without its base64 padding"), 1, OK),
    case("unpadded-wrong-password", (REJECTED, ""), 0, OK),
    case("auth-with-space", (NO_ENTRY, "contains a blank"), 0, OK),
    case("auth-yaml-folded", (NO_ENTRY, "contains a blank"), 0, OK),
    case("auth-wrapped", (OK, ""), 0, OK),
    case("plain-auth", (NO_ENTRY, "is plain text, not base64"), 0, OK),
    case("username-password-no-auth", (OK, "has no auth"), 1, OK),
    case("username-and-auth", (OK, ""), 0, OK),
    case("identitytoken", (NO_ENTRY, "has only an identitytoken"), 0, OK),
    case("registrytoken", (NO_ENTRY, "has only a registrytoken"), 0, OK),
    case("placeholders", (NO_ENTRY, "is empty"), 0, OK),
    case("echoed-newline", (NO_ENTRY, "a line end in its password"), 0, OK),
    // V7: documents of another shape.
    case("dockercfg", (UNWRAPPED, "without the auths wrapper"), 0, OK),
    case("unwrapped-https", (UNWRAPPED, "without the auths wrapper"), 0, OK),
    case(
        "wrapped-twice",
        (AMBIGUOUS, "another object named auths"),
        0,
        AMBIGUOUS,
    ),
    case(
        "wrapped-twice-ours",
        (AMBIGUOUS, "another object named auths"),
        0,
        AMBIGUOUS,
    ),
    case("string-doc", (UNREADABLE, "auths is a string"), 0, UNREADABLE),
    case("auths-list", (UNREADABLE, "auths is a list"), 0, UNREADABLE),
    // Entries of other registries.
    case("auths-null-quay", (NO_ENTRY, ""), 0, OK),
    case(
        "foreign-auth-space",
        (NO_ENTRY_AND_INVALID, "quay.io has an auth that contains a blank"),
        0,
        INVALID,
    ),
    case("foreign-http-headers", (NO_ENTRY, ""), 0, OK),
    case("foreign-identity", (NO_ENTRY, ""), 0, OK),
    case(
        "foreign-int-password",
        (
            NO_ENTRY_AND_INVALID,
            "quay.io has a member password that is not a string",
        ),
        0,
        INVALID,
    ),
    case("foreign-placeholders", (NO_ENTRY, ""), 0, OK),
    case(
        "foreign-plain-auth",
        (NO_ENTRY_AND_INVALID, "quay.io has an auth that is plain text"),
        0,
        INVALID,
    ),
    case(
        "lists-auth",
        (
            NO_ENTRY_AND_INVALID,
            "quay.io has a member auth that is not a string",
        ),
        1,
        INVALID,
    ),
];

#[test]
fn each_document_from_the_field_has_a_case() {
    let files = fs::read_dir(directory()).expect("documents").map(|entry| {
        let path = entry.expect("a document").path();
        path.file_stem().expect("a name").to_string_lossy().into_owned()
    });
    let mut cases: BTreeSet<String> = CASES.iter().map(|case| case.name.to_owned()).collect();
    // A password, not a document.
    cases.insert("gcr-key".to_owned());
    assert_eq!(files.collect::<BTreeSet<_>>(), cases);
}

#[tokio::test(start_paused = true)]
async fn v1_v2_v3_v4_v5_v6_verify_decides_each_document_from_the_field() {
    for case in CASES {
        let scene = scene(case.name);
        let outcome = scene.run(Mode::Verify).await;
        let words = words(&outcome);
        let (expected, part) = case.verify;
        assert_eq!(reasons(&outcome), expected, "{}: {words}", case.name);
        assert!(words.contains(part), "{}: {words}", case.name);
        assert_eq!(outcome.warnings.len(), case.warnings, "{}: {words}", case.name);
        assert!(!words.contains("s3cr3t"), "{}: {words}", case.name);
        let requests = scene.cluster().passwords.len();
        assert!(
            !expected.is_empty() || requests > 0,
            "{}: nothing was sent",
            case.name
        );
    }
}

#[tokio::test(start_paused = true)]
async fn r10_google_key_file_is_stored_as_it_is_and_verified() {
    let key = document("gcr-key");
    let scene = Scene::new()
        .with("PULL_SECRET_REGISTRY", "gcr.io")
        .with("PULL_SECRET_IMAGE", "gcr.io/team/app:1.0")
        .with("PULL_SECRET_CONNECT_TO", "")
        .with("PULL_SECRET_USERNAME", "_json_key")
        .with_token_file(key.as_str());
    let stored = key.trim_end_matches('\n');
    let scene_registry = |login: &Login<'_>| {
        if login.password.contains("\n  \"private_key\"") {
            200
        } else {
            401
        }
    };
    scene.cluster().registry = scene_registry;
    let outcome = scene.run(Mode::Ensure).await;
    assert_eq!(reasons(&outcome), OK, "{}", words(&outcome));
    let written: serde_json::Value = serde_json::from_str(&scene.cluster().document()).expect("JSON");
    assert_eq!(written["auths"]["gcr.io"]["password"], stored);
    assert_eq!(reasons(&scene.run(Mode::Ensure).await), OK);
    let outcome = scene.run(Mode::Verify).await;
    assert_eq!((reasons(&outcome), outcome.warnings.len()), (vec![], 0));
    let wrong = scene.with("PULL_SECRET_USERNAME", "<token>");
    let outcome = wrong.run(Mode::Ensure).await;
    assert_eq!(reasons(&outcome), [Reason::InvalidConfiguration]);
    assert!(words(&outcome).contains("_json_key"), "{}", words(&outcome));
}

#[tokio::test(start_paused = true)]
async fn v3_v5_v7_ensure_ends_as_expected_for_each_document_from_the_field() {
    for case in CASES {
        // `docker.io` comes before the managed entry, so that its own user name is used.
        let (username, password) = if case.name.starts_with("hub-") {
            ("hubuser", "pw")
        } else {
            ("team+robot", "s3cr3t-robot-pass")
        };
        let scene = scene(case.name)
            .with_token_file(password)
            .with("PULL_SECRET_USERNAME", username);
        let before = scene.cluster().document();
        let outcome = scene.run(Mode::Ensure).await;
        assert_eq!(
            reasons(&outcome),
            case.ensure,
            "{}: {}",
            case.name,
            words(&outcome)
        );
        let is_changed = scene.cluster().document() != before;
        let is_left = matches!(case.ensure, AMBIGUOUS | UNREADABLE);
        assert_eq!(is_changed, !is_left, "{}", case.name);
        let helpers = outcome
            .warnings
            .iter()
            .filter(|warning| warning.contains("instead of auths"));
        let has_helper = matches!(case.name, "cred-helper" | "desktop-creds-store");
        assert_eq!(helpers.count(), usize::from(has_helper), "{}", case.name);
        if case.ensure == OK {
            let verified = scene.run(Mode::Verify).await;
            assert_eq!(reasons(&verified), OK, "{}: {}", case.name, words(&verified));
        }
    }
}
