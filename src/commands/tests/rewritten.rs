//! Another manager that rewrites the document between two runs.

use crate::{
    commands::fixtures::{APPLY, DAY, REGISTRY, TOKEN, document, document_for, jwt, reasons, settled},
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
async fn o2_a_manager_that_rewrites_within_the_run_ends_it_with_73() {
    let scene = settled().await;
    scene.cluster().rewrite(r#"{"auths":{}}"#, MANAGER);
    scene.cluster().after_apply = |cluster| cluster.rewrite(r#"{"auths":{}}"#, MANAGER);
    let outcome = scene.run(Mode::Ensure).await;
    assert_eq!(reasons(&outcome)[0], Reason::Reverted);
    assert_eq!(outcome.findings[0].exit_code(), 73);
}
