//! What `verify` reports about entries, tokens and annotations.

mod entries;
mod field;

use serde_json::json;

use crate::{
    commands::fixtures::{DAY, REGISTRY, Scene, UID, document, document_for, jwt, jwt_of, reasons, settled},
    config::Mode,
    credential::rfc3339,
    outcome::{Reason, Verified},
};

#[tokio::test(start_paused = true)]
async fn verify_reports_what_is_wrong_with_a_stored_token() {
    let secret = json!({"secret": {"name": "pull", "uid": UID}});
    let other_secret = json!({"secret": {"name": "other", "uid": "7a"}});
    let no_uid = json!({"secret": {"name": "pull", "uid": ""}});
    let pod = json!({"pod": {"name": "a-pod", "uid": "2"}});
    for (bound, seconds, expected) in [
        (&secret, DAY, None),
        (&no_uid, DAY, None),
        (&json!({}), DAY, None),
        (&other_secret, DAY, Some(Reason::CredentialRejected)),
        (&pod, DAY, Some(Reason::PodBoundToken)),
        (&secret, -60, Some(Reason::CredentialExpired)),
    ] {
        let token = jwt_of("model-puller", "id", seconds, bound);
        let outcome = Scene::with_document(&document(&token)).run(Mode::Verify).await;
        assert_eq!(reasons(&outcome), Vec::from_iter(expected), "{bound}");
        assert_eq!(outcome.credential.credential_id.as_deref(), Some("id"));
        let is_verified = outcome.verified == Verified::Pull;
        assert_eq!(is_verified, expected.is_none(), "{bound}");
    }
}

#[tokio::test(start_paused = true)]
async fn verify_reports_entries_that_not_every_client_reads() {
    let good = document(&jwt("good", DAY));
    let blank = json!({"auths": {REGISTRY: {"auth": "dTpw "}}}).to_string();
    let unmanaged = good.replacen("\"auths\":{", "\"auths\":{\"quay.io\":{\"auth\":\"!\"},", 1);
    let unwrapped = json!({REGISTRY: {"auth": "dTpw"}}).to_string();
    for (stored, reason, cause) in [
        (
            blank,
            Reason::NoMatchingEntry,
            "the entry image-registry.openshift-image-registry.svc:5000 in Secret pull has an auth that contains a blank",
        ),
        (
            document_for(&[("quay.io", "robot")]),
            Reason::NoMatchingEntry,
            "Secret pull has no entry for image-registry.openshift-image-registry.svc:5000",
        ),
        (
            unwrapped,
            Reason::AuthsMissing,
            "the document of Secret pull has its entries at the top, without the auths wrapper: every client finds no \
             credential in it",
        ),
        (
            "{}".to_owned(),
            Reason::AuthsMissing,
            "the document of Secret pull has no auths object: every client finds no credential in it",
        ),
    ] {
        let outcome = Scene::with_document(&stored).run(Mode::Verify).await;
        let [finding] = &outcome.findings[..] else {
            panic!("{stored}: {:?}", outcome.findings)
        };
        assert_eq!((finding.reason, finding.cause.as_str()), (reason, cause));
        assert_eq!(outcome.verified, Verified::None);
    }
    let outcome = Scene::with_document(&unmanaged).run(Mode::Verify).await;
    assert!(reasons(&outcome).contains(&Reason::UnmanagedEntryInvalid));
}

#[tokio::test(start_paused = true)]
async fn verify_notes_other_members_another_account_and_a_wrong_annotation() {
    let scene = settled().await;
    assert_eq!(scene.run(Mode::Verify).await.notes, Vec::<String>::new());
    if let Some(secret) = &mut scene.cluster().secret {
        secret["metadata"]["annotations"]["ensure-pull-secret/expires-at"] = "2020-01-01T00:00:00Z".into();
    }
    let outcome = scene.run(Mode::Verify).await;
    let expires_at = outcome.credential.expires_at.map(rfc3339).expect("an expiry");
    let annotation =
        "The annotation ensure-pull-secret/expires-at is 2020-01-01T00:00:00Z, but the credential";
    let corrects = "ensure corrects the annotation.";
    assert_eq!(
        outcome.notes,
        [format!("{annotation} expires at {expires_at}; {corrects}")]
    );
    let annotations = json!({"ensure-pull-secret/expires-at": "2020-01-01T00:00:00Z"});
    let of_robot = Scene::with_document(&document("robot"));
    if let Some(secret) = &mut of_robot.cluster().secret {
        secret["metadata"]["annotations"] = annotations;
    }
    assert_eq!(
        of_robot.run(Mode::Verify).await.notes,
        [format!("{annotation} has no known expiry; {corrects}")]
    );

    let of_builder = jwt_of("builder", "id", DAY, &json!({}));
    let more = document(&of_builder).replacen("\"auth\"", "\"comment\": \"x\", \"auth\"", 1);
    let outcome = Scene::with_document(&more).run(Mode::Verify).await;
    assert_eq!(
        outcome.notes,
        [
            format!("The entry for {REGISTRY} has other members than ensure would write."),
            "The stored token belongs to service account demo/builder, not to model-puller; ensure would replace it."
                .to_owned(),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn verify_reports_each_registry_and_the_credential_that_expires_first() {
    let (soon, late) = (jwt("soon", 7200), jwt("late", DAY));
    for (entries, id) in [
        (
            [(REGISTRY, soon.as_str()), ("quay.io", late.as_str())],
            Some("soon"),
        ),
        (
            [(REGISTRY, late.as_str()), ("quay.io", soon.as_str())],
            Some("soon"),
        ),
        ([(REGISTRY, "robot"), ("quay.io", late.as_str())], Some("late")),
        ([(REGISTRY, late.as_str()), ("quay.io", "robot")], Some("late")),
        ([(REGISTRY, "robot"), ("quay.io", "robot")], None),
    ] {
        let scene = Scene::with_document(&document_for(&entries)).with_quay();
        let outcome = scene.run(Mode::Verify).await;
        assert_eq!(reasons(&outcome), vec![], "{id:?}");
        assert_eq!(outcome.credential.credential_id.as_deref(), id);
        assert_eq!(outcome.verified, Verified::Pull);
        assert_eq!((outcome.registries.len(), outcome.images.len()), (2, 2));
    }
    // What one registry's entry lacks does not keep the other from being verified.
    let one = document_for(&[("quay.io", &late)]);
    let outcome = Scene::with_document(&one).with_quay().run(Mode::Verify).await;
    assert_eq!(reasons(&outcome), [Reason::NoMatchingEntry]);
    assert_eq!((outcome.verified, outcome.images.len()), (Verified::None, 1));
    let untrusted = document_for(&[(REGISTRY, &late), ("quay.io", &late)]);
    let scene = Scene::with_document(&untrusted).with_quay();
    let scene = scene.with("PULL_SECRET_TRUSTED_HOSTS", "");
    let outcome = scene.run(Mode::Verify).await;
    assert_eq!(reasons(&outcome), [Reason::InvalidConfiguration]);
    let remedy = "If it may receive the token, set PULL_SECRET_TRUSTED_HOSTS to quay.io.";
    assert_eq!(outcome.findings[0].remedy(), remedy);
    assert_eq!(
        scene.cluster().passwords.len(),
        1,
        "only the internal registry has it"
    );
}

#[tokio::test(start_paused = true)]
async fn verify_reports_an_early_expiry_once_and_all_excess_permissions() {
    let (one, other) = (jwt("one", 7200), jwt("other", 7200));
    for (entries, count) in [
        ([(REGISTRY, one.as_str()), ("quay.io", one.as_str())], 1),
        ([(REGISTRY, one.as_str()), ("quay.io", other.as_str())], 1),
        ([(REGISTRY, "robot"), ("quay.io", one.as_str())], 1),
        ([(REGISTRY, "robot"), ("quay.io", "robot")], 0),
    ] {
        let scene = Scene::with_document(&document_for(&entries)).with_quay();
        let scene = scene.with("PULL_SECRET_NEXT_RUN_WITHIN", "6h");
        scene.cluster().rules = &["secrets"];
        let outcome = scene.run(Mode::Verify).await;
        let expected = vec![Reason::ExpiresBeforeNextRun; count];
        assert_eq!(reasons(&outcome), expected, "{entries:?}");
        let rights = outcome.excess.map(|excess| excess.rights);
        let expected = (count > 0).then(|| vec!["secrets (all verbs)".to_owned()]);
        assert_eq!(rights, expected, "{entries:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn r18_openshift_gets_a_rejected_token_twice_for_many_images() {
    let images: Vec<String> = (0..64)
        .map(|number| format!("{REGISTRY}/team/app-{number}:1"))
        .collect();
    let token = jwt_of(
        "model-puller",
        "id",
        DAY,
        &json!({"secret": {"name": "pull", "uid": UID}}),
    );
    for (password, accepted) in [(token.as_str(), false), ("robot", false), (token.as_str(), true)] {
        let scene = Scene::with_document(&document(password)).with("PULL_SECRET_IMAGE", images.join(","));
        if !accepted {
            scene.cluster().registry = |_| 401;
            scene.cluster().accepts = |_| false;
        }
        let outcome = scene.run(Mode::Verify).await;
        let expected = (!accepted).then_some(Reason::CredentialRejected);
        assert_eq!(outcome.findings.first().map(|finding| finding.reason), expected);
        assert_eq!(outcome.images.len(), 64);
        let sent = scene.cluster().passwords.len();
        assert_eq!(sent, if accepted { 64 } else { 2 }, "{password}");
    }
}
