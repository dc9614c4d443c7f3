//! Registries with Basic authentication, and the manifest requests that all share.

use super::*;

#[tokio::test(start_paused = true)]
async fn r17_a_basic_login_is_refused_by_400_401_and_403() {
    for refusal in [400, 401, 403] {
        let registry = move |seen: &Seen| match (seen.credentials.is_empty(), seen.is("/manifests/")) {
            (true, _) => challenge(401, "Basic realm=r"),
            (false, true) => manifest(),
            (false, false) if is_good(seen) => json("{}"),
            (false, false) => status(refusal),
        };
        for (password, expected) in [
            ("good", RegistryVerdict::Pulls),
            ("wrong", RegistryVerdict::Rejected),
        ] {
            let (answers, seen) = ask(password, &["public/app:1"], false, registry).await;
            assert_eq!(seen.len(), 3, "{seen:#?}");
            assert_eq!(answers.images, [expected], "{refusal}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn r1_r19_get_decides_where_head_gives_neither_manifest_nor_401() {
    for head in [405, 403, 404, 400, 200] {
        let registry = move |seen: &Seen| match (&seen.method, seen.is("/manifests/")) {
            (_, false) if seen.credentials.is_empty() => challenge(401, "Basic realm=r"),
            (&Method::HEAD, true) => status(head),
            (_, true) => manifest(),
            (_, false) => json("{}"),
        };
        let (answers, _) = ask("good", &["team/app:1"], false, registry).await;
        assert_eq!(answers.images, [RegistryVerdict::Pulls], "{head}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_accepted_login_leaves_the_image_to_decide() {
    for (code, expected) in [
        (401, RegistryVerdict::PullForbidden),
        (403, RegistryVerdict::PullForbidden),
        (404, RegistryVerdict::TagMissing),
        (302, inconclusive(ProtocolError::Status(StatusCode::FOUND))),
    ] {
        let registry = move |seen: &Seen| match seen.is("/manifests/") {
            true => status(code),
            false if seen.credentials.is_empty() => challenge(401, "Basic realm=r"),
            false => json("{}"),
        };
        let (answers, _) = ask("good", &["team/app:1"], false, registry).await;
        assert_eq!(answers.images, [expected], "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_stays_down_is_unreachable_at_its_deadline() {
    let unavailable = ProtocolError::Status(StatusCode::SERVICE_UNAVAILABLE);
    let unreachable = RegistryVerdict::Inconclusive(Inconclusive::Unreachable(unavailable.clone()));
    let start = Instant::now();
    let (answers, seen) = ask("good", &["team/app:1"], false, |_| status(503)).await;
    assert_eq!(answers.images, [unreachable]);
    assert!(
        seen.len() > 10 && start.elapsed() > Duration::from_secs(50),
        "{seen:#?}"
    );
    let is_login = |seen: &Seen| !seen.credentials.is_empty();
    let (answers, _) = ask("good", &[], false, move |seen| match is_login(seen) {
        true => status(503),
        false => challenge(401, "Basic realm=r"),
    })
    .await;
    let unreachable = RegistryVerdict::Inconclusive(Inconclusive::Unreachable(unavailable));
    assert_eq!(answers.login, Some(unreachable));
}
