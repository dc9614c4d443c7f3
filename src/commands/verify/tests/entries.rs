//! Several entries for one image: which of them are sent, in which order, and what decides.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;

use crate::{
    commands::fixtures::{DAY, REGISTRY, Scene, UID, document_for, jwt, jwt_of, reasons},
    config::Mode,
    outcome::{Action, Change, Outcome, Reason, Verified},
};

/// A document with a password for each key, all of the user `robot`.
fn document(entries: &[(&str, &str)]) -> String {
    let auths: serde_json::Map<String, serde_json::Value> = entries
        .iter()
        .map(|(key, password)| {
            let auth = STANDARD.encode(format!("robot:{password}"));
            ((*key).to_owned(), json!({ "auth": auth }))
        })
        .collect();
    json!({"auths": auths}).to_string()
}

/// `quay.io` accepts passwords that start with `good`.
fn quay(document: &str) -> Scene {
    let scene = Scene::with_document(document)
        .with("PULL_SECRET_REGISTRY", "quay.io")
        .with("PULL_SECRET_IMAGE", "quay.io/team/app:1")
        .with("PULL_SECRET_CONNECT_TO", "");
    scene.cluster().registry = |login| {
        if login.password.starts_with("good") {
            200
        } else {
            401
        }
    };
    scene
}

fn sent(scene: &Scene) -> Vec<String> {
    let mut sent = scene.cluster().passwords.clone();
    sent.dedup();
    sent
}

/// Warnings of the kubelet's order: "the kubelet tries the entry … first".
fn tried_before(outcome: &Outcome) -> Vec<&str> {
    let tried = outcome.warnings.iter().map(String::as_str);
    tried
        .filter(|warning| warning.contains("the kubelet tries"))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn v2_best_entry_decides_and_the_rejected_ones_before_it_are_warnings() {
    for (entries, expected, warnings, order) in [
        (&[("quay.io", "good")][..], vec![], 0, vec!["good"]),
        (
            &[("quay.io/team", "good"), ("quay.io", "bad")],
            vec![],
            0,
            vec!["good"],
        ),
        (
            &[("quay.io", "bad"), ("quay.io/team", "good")],
            vec![],
            0,
            vec!["good"],
        ),
        (
            &[("quay.io/team", "bad"), ("quay.io", "good")],
            vec![],
            1,
            vec!["bad", "good"],
        ),
        (
            &[
                ("quay.io", "good"),
                ("quay.io/team/app", "bad"),
                ("quay.io/team", "worse"),
            ],
            vec![],
            2,
            vec!["bad", "worse", "good"],
        ),
        (
            &[("quay.io/team", "bad"), ("quay.io", "worse")],
            vec![Reason::CredentialRejected],
            0,
            vec!["bad", "worse"],
        ),
        // The same credential twice is sent once.
        (
            &[("quay.io/team", "bad"), ("quay.io", "bad")],
            vec![Reason::CredentialRejected],
            0,
            vec!["bad"],
        ),
        (
            &[("quay.io/other", "bad"), ("quay.io", "good")],
            vec![],
            0,
            vec!["good"],
        ),
        (
            &[("quay.io/other", "good")],
            vec![Reason::NoMatchingEntry],
            0,
            vec![],
        ),
        (
            &[("quay.io/team", ""), ("quay.io", "good")],
            vec![],
            1,
            vec!["good"],
        ),
    ] {
        let scene = quay(&document(entries));
        let outcome = scene.run(Mode::Verify).await;
        assert_eq!(reasons(&outcome), expected, "{entries:?}");
        assert_eq!(tried_before(&outcome).len(), warnings, "{:?}", outcome.warnings);
        assert_eq!(sent(&scene), order, "{entries:?}");
        let is_pulled = outcome.verified == Verified::Pull;
        assert_eq!(is_pulled, expected.is_empty(), "{entries:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn v2_unusable_tokens_before_the_best_entry_are_warnings_and_not_sent() {
    let pod = json!({"pod": {"name": "a-pod", "uid": "2"}});
    let other = json!({"secret": {"name": "other", "uid": "7a"}});
    let quay_token = jwt("quay", DAY);
    for (token, reason, cause) in [
        (jwt("old", -60), Reason::CredentialExpired, "is past its expiry"),
        (
            jwt_of("model-puller", "pod", DAY, &pod),
            Reason::PodBoundToken,
            "is bound to a pod",
        ),
        (
            jwt_of("model-puller", "other", DAY, &other),
            Reason::CredentialRejected,
            "is bound to another Secret",
        ),
    ] {
        let narrow = format!("{REGISTRY}/team");
        let good = jwt("good", DAY);
        let scene = Scene::with_document(&document(&[(&narrow, &token), (REGISTRY, &good)]));
        let outcome = scene.run(Mode::Verify).await;
        assert_eq!(reasons(&outcome), vec![], "{cause}");
        let [warning] = tried_before(&outcome)[..] else {
            panic!("{:?}", outcome.warnings)
        };
        assert!(
            warning.contains(cause) && warning.contains("/team first"),
            "{warning}"
        );
        assert_eq!(sent(&scene), [good.as_str()]);
        assert_eq!(outcome.credential.credential_id.as_deref(), Some("good"));

        let alone = Scene::with_document(&document(&[(&narrow, &token), (REGISTRY, "")]));
        let outcome = alone.run(Mode::Verify).await;
        assert!(reasons(&outcome).contains(&reason), "{cause}");
        assert_eq!(sent(&alone), Vec::<String>::new());
    }
    // A Kubernetes token at a registry that is not trusted.
    let scene = quay(&document(&[("quay.io/team", &quay_token), ("quay.io", "good")]));
    let outcome = scene.run(Mode::Verify).await;
    assert_eq!((reasons(&outcome), tried_before(&outcome).len()), (vec![], 1));
    assert_eq!(sent(&scene), ["good"]);
    let scene = quay(&document(&[("quay.io/team", &quay_token), ("quay.io", "bad")]));
    let outcome = scene.run(Mode::Verify).await;
    let expected = [Reason::InvalidConfiguration, Reason::CredentialRejected];
    assert_eq!(reasons(&outcome), expected);
    assert_eq!(sent(&scene), ["bad"]);
}

#[tokio::test(start_paused = true)]
async fn v2_at_most_16_credentials_of_a_registry_are_sent() {
    let many = |good: usize| {
        let entries: Vec<(String, String)> = (0..40)
            .map(|number| {
                // The kubelet tries the longest key first.
                let scheme = ["", "http://", "https://"][number % 3];
                let path = ["", "/team", "/team/app"][number / 3 % 3];
                let user = format!("u{number:02}@");
                let password = if number == good { "good" } else { "bad" };
                (
                    format!("{scheme}{user}quay.io{path}"),
                    format!("{password}-{number}"),
                )
            })
            .collect();
        let entries: Vec<_> = entries
            .iter()
            .map(|(key, password)| (key.as_str(), password.as_str()))
            .collect();
        document(&entries)
    };
    let scene = quay(&many(100)).with("PULL_SECRET_TIMEOUT", "10m");
    let outcome = scene.run(Mode::Verify).await;
    assert_eq!(sent(&scene).len(), 16);
    assert_eq!(reasons(&outcome), vec![Reason::CredentialRejected]);
    let cut = |outcome: &Outcome| {
        outcome
            .warnings
            .iter()
            .filter(|warning| warning.contains("more than 16"))
            .count()
    };
    assert_eq!(cut(&outcome), 1, "{:?}", outcome.warnings);
    // The first that the kubelet tries.
    let first = sent(&scene)[0].replace("bad-", "");
    let scene = quay(&many(first.parse().expect("a number")));
    let outcome = scene.run(Mode::Verify).await;
    assert_eq!((reasons(&outcome), cut(&outcome)), (vec![], 0));
    assert_eq!(scene.cluster().passwords.len(), 2, "the login and the manifest");
}

#[tokio::test(start_paused = true)]
async fn v2_unreachable_registry_is_asked_once_and_not_once_an_entry() {
    let entries = [("quay.io/team/app", "a"), ("quay.io/team", "b"), ("quay.io", "c")];
    let scene = quay(&document(&entries));
    scene.cluster().down_for = std::time::Duration::from_secs(9_999);
    let started = tokio::time::Instant::now();
    let outcome = scene.run(Mode::Verify).await;
    assert_eq!(reasons(&outcome), [Reason::RegistryUnavailable]);
    assert_eq!(sent(&scene), Vec::<String>::new());
    // Half of the timeout, as for one entry.
    assert!(started.elapsed() <= std::time::Duration::from_secs(31));
    // Each image has its row, with a credential of its own.
    let two = scene
        .with("PULL_SECRET_IMAGE", "quay.io/team/app:1,quay.io/x/app:1")
        .run(Mode::Verify)
        .await;
    assert_eq!((two.images.len(), reasons(&two).len()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn r18_failed_logins_of_each_credential_are_bounded_for_64_images() {
    let images: Vec<String> = (0..64)
        .map(|number| format!("quay.io/team/app-{number}:1"))
        .collect();
    for challenge in ["Basic realm=registry", "Bearer realm=\"https://quay.io/token\""] {
        let entries = [("quay.io/team", "bad"), ("quay.io", "worse")];
        let scene = quay(&document(&entries)).with("PULL_SECRET_IMAGE", images.join("\n"));
        scene.cluster().challenge = match challenge {
            "Basic realm=registry" => |_| Some("Basic realm=registry"),
            _ => |_| Some("Bearer realm=\"https://quay.io/token\""),
        };
        let outcome = scene.run(Mode::Verify).await;
        assert_eq!(outcome.images.len(), 64, "{challenge}");
        assert!(
            reasons(&outcome)
                .iter()
                .all(|reason| *reason == Reason::CredentialRejected)
        );
        for password in ["bad", "worse"] {
            let count = scene
                .cluster()
                .passwords
                .iter()
                .filter(|sent| *sent == password)
                .count();
            assert_eq!(count, 2, "{challenge} {password}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn o12_openshift_gets_two_requests_for_one_image() {
    let scene = Scene::with_document(&document(&[(REGISTRY, &jwt("good", DAY))]));
    let outcome = scene.run(Mode::Verify).await;
    assert_eq!(outcome.verified, Verified::Pull);
    assert_eq!(scene.cluster().registry_requests, 2);
}

#[tokio::test(start_paused = true)]
async fn r18_each_run_fails_to_log_in_twice_a_credential() {
    let images: Vec<String> = (0..64)
        .map(|number| format!("quay.io/team/app-{number}:1"))
        .collect();
    let basic: fn(&str) -> Option<&'static str> = |_| Some("Basic realm=registry");
    let bearer: fn(&str) -> Option<&'static str> = |_| Some("Bearer realm=\"https://quay.io/token\"");
    for challenge in [basic, bearer] {
        for (entries, file) in [
            (&[("quay.io", "bad")][..], "bad"),
            (&[("quay.io", "bad")], "worse"),
            (&[("quay.io/team", "bad"), ("quay.io", "worse")], "another"),
            (&[("quay.io/team", "bad"), ("quay.io", "worse")], "bad"),
        ] {
            let scene = quay(&document(entries)).with("PULL_SECRET_IMAGE", images.join(" "));
            let scene = scene.with_token_file(file).with("PULL_SECRET_USERNAME", "robot");
            scene.cluster().challenge = challenge;
            for mode in [Mode::Verify, Mode::Ensure, Mode::Plan, Mode::Doctor, Mode::Ensure] {
                scene.cluster().passwords.clear();
                let outcome = scene.run(mode).await;
                let is_rejected = reasons(&outcome).contains(&Reason::CredentialRejected);
                // `doctor` has it as a line.
                assert!(is_rejected || mode == Mode::Doctor, "{mode:?}");
                for password in ["bad", "worse", "another"] {
                    let cluster = scene.cluster();
                    let sent = cluster.passwords.iter().filter(|sent| *sent == password);
                    assert!(sent.count() <= 2, "{mode:?} {entries:?} {file} {password}");
                }
            }
            assert_eq!(scene.cluster().writes, Vec::<String>::new());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn r18_credential_that_another_image_showed_to_be_bad_is_not_sent_again() {
    // The second image finds the rejected one behind another bad one.
    let entries = [
        ("quay.io/team", "bad"),
        ("quay.io/x", "worse"),
        ("https://quay.io", "bad"),
        ("quay.io", "good"),
    ];
    let scene = quay(&document(&entries)).with("PULL_SECRET_IMAGE", "quay.io/team/app:1 quay.io/x/app:1");
    let outcome = scene.run(Mode::Verify).await;
    assert_eq!(reasons(&outcome), vec![]);
    let count = |password: &str| {
        scene
            .cluster()
            .passwords
            .iter()
            .filter(|sent| *sent == password)
            .count()
    };
    assert_eq!((count("bad"), count("worse")), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn v2_two_thousand_entries_are_verified_by_the_ones_that_match() {
    let others: Vec<(String, &str)> = (0..2_000)
        .map(|number| (format!("r{number}.test"), "bad"))
        .collect();
    let mut entries: Vec<(&str, &str)> = others
        .iter()
        .map(|(key, password)| (key.as_str(), *password))
        .collect();
    entries.insert(1_000, ("quay.io", "good"));
    let scene = quay(&document(&entries));
    assert_eq!(reasons(&scene.run(Mode::Verify).await), vec![]);
    assert_eq!(sent(&scene), ["good"]);
}

#[tokio::test(start_paused = true)]
async fn v2_without_an_image_the_entries_for_the_registry_decide() {
    for (entries, expected, warnings) in [
        (&[("quay.io", "good")][..], vec![], 0),
        (&[("https://quay.io", "bad"), ("quay.io", "good")], vec![], 1),
        (&[("quay.io", "bad")], vec![Reason::CredentialRejected], 0),
        (&[("quay.io/team", "good")], vec![Reason::NoMatchingEntry], 0),
    ] {
        let scene = quay(&document(entries)).with("PULL_SECRET_IMAGE", "");
        let outcome = scene.run(Mode::Verify).await;
        assert_eq!(reasons(&outcome), expected, "{entries:?}");
        assert_eq!(tried_before(&outcome).len(), warnings, "{:?}", outcome.warnings);
        let verified = if expected.is_empty() {
            Verified::Login
        } else {
            Verified::None
        };
        assert_eq!(outcome.verified, verified, "{entries:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn v4_colon_is_named_whatever_is_verified() {
    for verify in ["registry", "api", "structure"] {
        let stored = json!({"auths": {"quay.io": {"username": "kube:admin", "password": "good"}}});
        let scene = quay(&stored.to_string()).with("PULL_SECRET_VERIFY", verify);
        let outcome = scene.run(Mode::Verify).await;
        assert_eq!(reasons(&outcome), [Reason::NoMatchingEntry], "{verify}");
        assert!(outcome.findings[0].cause.contains("a colon in its user name"));
        assert_eq!(sent(&scene), Vec::<String>::new());
    }
}

#[tokio::test(start_paused = true)]
async fn p5_entries_that_are_not_asked_about_are_not_verified() {
    let token = jwt_of(
        "model-puller",
        "old",
        -60,
        &json!({"secret": {"name": "pull", "uid": UID}}),
    );
    for verify in ["api", "structure"] {
        for (entries, expected) in [
            (vec![("quay.io", "bad")], Reason::NotVerified),
            (
                vec![("quay.io/team", "bad"), ("quay.io", "good")],
                Reason::NotVerified,
            ),
            (vec![("quay.io", token.as_str())], Reason::InvalidConfiguration),
        ] {
            let scene = quay(&document(&entries)).with("PULL_SECRET_VERIFY", verify);
            let outcome = scene.run(Mode::Verify).await;
            assert_eq!(reasons(&outcome), [expected], "{verify} {entries:?}");
            assert_eq!(sent(&scene), Vec::<String>::new());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn s16_expired_entry_of_an_earlier_registry_is_reported_and_removed() {
    let narrow = format!("{REGISTRY}/team");
    for (current, requests) in [(jwt("good", DAY), 0), (jwt("old", 60), 1)] {
        let stored = document_for(&[
            (&narrow, &jwt("left", -60)),
            (REGISTRY, &current),
            ("a.test", "x"),
        ]);
        let scene = Scene::with_document(&stored);
        let verified = scene.run(Mode::Verify).await;
        assert_eq!(reasons(&verified), vec![], "pods pull");
        assert_eq!(verified.warnings.len(), 2, "{:?}", verified.warnings);
        let planned = scene.run(Mode::Plan).await.plan.expect("a plan");
        let is_removed =
            |(change, line): &(Change, String)| *change == Change::Remove && line.contains("/team: expired");
        assert!(planned.diff.0.iter().any(is_removed), "{:?}", planned.diff);
        let outcome = scene.run(Mode::Ensure).await;
        assert_eq!((reasons(&outcome), outcome.action), (vec![], Action::Refreshed));
        assert_eq!(outcome.warnings, Vec::<String>::new());
        assert_eq!(scene.cluster().issued, requests);
        assert!(!scene.cluster().document().contains("/team"));
        assert!(scene.cluster().document().contains("a.test"));
        assert_eq!(scene.run(Mode::Ensure).await.action, Action::Unchanged);
    }
    // Nothing but the managed credential is needed: a valid one stays.
    let stored = document_for(&[(&narrow, &jwt("left", DAY)), (REGISTRY, &jwt("good", DAY))]);
    let scene = Scene::with_document(&stored);
    scene.run(Mode::Ensure).await;
    assert!(scene.cluster().document().contains("/team"));
}

#[tokio::test(start_paused = true)]
async fn v6_managed_entry_that_spoils_the_document_is_reported_without_being_tried() {
    // The kubelet tries `docker.io` alone, but rejects the document because of the other key.
    let stored =
        r#"{"auths":{"docker.io":{"auth":"cm9ib3Q6Z29vZA=="},"https://index.docker.io/v1/":{"auth":"?"}}}"#;
    let scene = quay(stored)
        .with("PULL_SECRET_REGISTRY", "docker.io")
        .with("PULL_SECRET_IMAGE", "docker.io/team/app:1");
    let outcome = scene.run(Mode::Verify).await;
    assert_eq!(reasons(&outcome), [Reason::NoMatchingEntry]);
    assert!(outcome.findings[0].cause.contains("https://index.docker.io/v1/"));
}

#[tokio::test(start_paused = true)]
async fn v6_structure_outranks_the_expiry_of_a_token_and_not_the_answer() {
    let of = |entry: serde_json::Value| json!({"auths": {"quay.io": entry}}).to_string();
    let expired = "eyJhbGciOiJSUzI1NiJ9.eyJleHAiOjE3MDAwMDAwMDB9.c2ln";
    for (stored, expected, words) in [
        (
            of(json!({"username": "robot", "password": expired})),
            Reason::NoMatchingEntry,
            "has no auth",
        ),
        (
            of(json!({"username": "robot", "password": "bad"})),
            Reason::CredentialRejected,
            "does not accept",
        ),
        (
            of(json!({"auth": STANDARD.encode(format!("robot:{expired}"))})),
            Reason::CredentialExpired,
            "past its expiry",
        ),
    ] {
        let outcome = quay(&stored).run(Mode::Verify).await;
        assert_eq!(reasons(&outcome), [expected], "{stored}");
        assert!(outcome.findings[0].cause.contains(words), "{stored}");
    }
}

#[tokio::test(start_paused = true)]
async fn v3_key_that_no_client_reads_is_named() {
    for (key, shown) in [
        ("QUAY.io", Some("QUAY.io")),
        ("HTTPS://quay.io", Some("HTTPS://quay.io")),
        ("//quay.io", Some("//quay.io")),
        (" quay.io", Some("_quay.io")),
        ("quay.io\n", Some("quay.io_")),
        ("quay.io.", Some("quay.io.")),
        ("quay.io:443", Some("quay.io:443")),
        ("quay.io/other", Some("quay.io/other")),
        ("quay.io/team/app:1", Some("quay.io/team/app:1")),
        ("*", None),
        ("", None),
        ("qu\u{430}y.io", None),
        ("quay.io:444", None),
    ] {
        let outcome = quay(&document(&[(key, "good")])).run(Mode::Verify).await;
        assert_eq!(reasons(&outcome), [Reason::NoMatchingEntry], "{key:?}");
        let hint = shown.map_or(String::new(), |key| {
            format!("; no client uses its key {key} for it")
        });
        let cause = format!("Secret pull has no entry for quay.io{hint}");
        assert_eq!(outcome.findings[0].cause, cause, "{key:?}");
    }
}
