//! Another manager that rewrites the document between two runs.

use crate::{
    commands::fixtures::{APPLY, DAY, REGISTRY, Scene, TOKEN, document, document_for, jwt, reasons, settled},
    config::Mode,
    outcome::{Action, Reason},
};

const MANAGER: &str = "external-secrets";

#[tokio::test(start_paused = true)]
async fn o2_a_rewritten_document_is_restored_with_a_warning() {
    for rewritten in [
        r#"{"auths":{}}"#.to_owned(),
        document_for(&[(REGISTRY, "a-robots-password")]),
    ] {
        let scene = settled().await;
        scene.cluster().rewrite(&rewritten, MANAGER);
        for mode in [Mode::Plan, Mode::Doctor] {
            let outcome = scene.run(mode).await;
            assert_eq!(reasons(&outcome), [Reason::Reverted], "{mode:?}");
            assert!(outcome.findings[0].warning);
        }
        assert!(reasons(&scene.run(Mode::Verify).await).contains(&Reason::Reverted));
        let outcome = scene.run(Mode::Ensure).await;
        assert_eq!(
            (reasons(&outcome), outcome.action),
            (vec![Reason::Reverted], Action::Refreshed)
        );
        let finding = &outcome.findings[0];
        assert_eq!((finding.warning, finding.exit_code()), (true, 0));
        assert!(finding.cause.contains(MANAGER), "{}", finding.cause);
        assert!(finding.cause.ends_with("it was corrected"), "{}", finding.cause);
        assert_eq!(scene.cluster().writes, [TOKEN, APPLY]);
        // The next run finds what this one wrote.
        let outcome = scene.run(Mode::Ensure).await;
        assert_eq!((reasons(&outcome), outcome.action), (vec![], Action::Unchanged));
    }
}

#[tokio::test(start_paused = true)]
async fn o2_a_healthy_token_of_another_manager_stays() {
    let scene = settled().await;
    let healthy = document(&jwt("another", DAY));
    scene.cluster().rewrite(&healthy, MANAGER);
    let outcome = scene.run(Mode::Verify).await;
    assert_eq!(reasons(&outcome), [Reason::Reverted]);
    let outcome = scene.run(Mode::Ensure).await;
    assert_eq!(
        (reasons(&outcome), outcome.action),
        (vec![Reason::Reverted], Action::Refreshed)
    );
    assert_eq!(scene.cluster().writes, [APPLY]);
    assert_eq!(scene.cluster().document(), healthy);
}

#[tokio::test(start_paused = true)]
async fn o2_an_entry_that_another_manager_added_is_no_rewrite() {
    let scene = settled().await;
    let stored = scene.cluster().document();
    let added = stored.replacen(
        "{\"auths\":{",
        "{\"auths\":{\"other.test\":{\"auth\":\"dTpw\"},",
        1,
    );
    scene.cluster().rewrite(&added, MANAGER);
    for mode in [Mode::Ensure, Mode::Verify, Mode::Plan, Mode::Doctor] {
        assert_eq!(reasons(&scene.run(mode).await), [], "{mode:?}");
    }
    assert_eq!(scene.cluster().document(), added);
}

#[tokio::test(start_paused = true)]
async fn older_password_and_removed_entry_are_restored_without_a_warning() {
    let scene = settled().await.with_quay();
    scene.run(Mode::Ensure).await;
    let both = scene.cluster().document();
    let one = document_for(&[(REGISTRY, &stored_password(&both))]);
    scene.cluster().rewrite(&one, MANAGER);
    let outcome = scene.run(Mode::Ensure).await;
    assert_eq!((reasons(&outcome), outcome.action), (vec![], Action::Refreshed));
    assert_eq!(scene.cluster().document(), both);

    let scene = Scene::new().with_token_file("a-new-password");
    scene.run(Mode::Ensure).await;
    let new = scene.cluster().document();
    scene.cluster().rewrite(&document("an-old-password"), MANAGER);
    let outcome = scene.run(Mode::Ensure).await;
    assert_eq!((reasons(&outcome), outcome.action), (vec![], Action::Refreshed));
    assert_eq!(scene.cluster().document(), new);
}

/// The password of the first entry.
fn stored_password(document: &str) -> String {
    let document: serde_json::Value = serde_json::from_str(document).expect("JSON");
    let entry = &document["auths"][REGISTRY];
    entry["password"].as_str().expect("a password").to_owned()
}

#[tokio::test(start_paused = true)]
async fn document_that_no_write_can_make_valid_is_unchanged_with_its_finding() {
    let scene = settled().await;
    let stored = scene.cluster().document();
    let invalid = stored.replacen("{\"auths\":{", "{\"auths\":{\"other.test\":{\"auth\":\"%\"},", 1);
    scene.cluster().rewrite(&invalid, "ensure-pull-secret");
    let outcome = scene.run(Mode::Ensure).await;
    assert_eq!(
        (reasons(&outcome), outcome.action),
        (vec![Reason::UnmanagedEntryInvalid], Action::Unchanged)
    );
    assert_eq!(scene.cluster().writes, Vec::<String>::new());
    assert_eq!(scene.cluster().document(), invalid);
}

#[tokio::test(start_paused = true)]
async fn o2_a_manager_that_rewrites_within_the_run_ends_it_with_73() {
    let scene = settled().await;
    scene.cluster().rewrite(r#"{"auths":{}}"#, MANAGER);
    scene.cluster().after_apply = |cluster| cluster.rewrite(r#"{"auths":{}}"#, MANAGER);
    let outcome = scene.run(Mode::Ensure).await;
    assert_eq!(reasons(&outcome)[0], Reason::Reverted);
    assert_eq!(outcome.findings[0].exit_code(), 73);
}
