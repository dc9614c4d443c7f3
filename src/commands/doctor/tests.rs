//! The checks of `doctor` against scripted servers.

use std::time::Duration;

use serde_json::json;

use crate::{
    commands::{
        self,
        fixtures::{
            Cluster, DAY, Login, REGISTRY, Scene, document, document_for, jwt, jwt_of, reasons, settled,
        },
    },
    config::Mode,
    credential::Claims,
    outcome::{DoctorCheck, Outcome, Reason, Verified, most_severe},
};

/// The checks as lines: `name: message`, with `!` before a warning.
fn lines(outcome: &Outcome) -> Vec<String> {
    let sign = |warning| if warning { "!" } else { "" };
    let lines = outcome.lines.iter();
    lines
        .map(|line| format!("{}{}: {}", sign(line.warning), line.name, line.message))
        .collect()
}

fn assert_has(outcome: &Outcome, line: &str) {
    let lines = lines(outcome);
    assert!(
        lines.iter().any(|found| found.starts_with(line)),
        "{line} {lines:#?}"
    );
}

#[tokio::test(start_paused = true)]
async fn doctor_prints_every_check_of_a_working_installation() {
    let scene = settled().await;
    scene.cluster().denies = &["create"];
    scene.cluster().fails = |_, _| None;
    let outcome = scene.run(Mode::Doctor).await;
    let until = outcome
        .credential
        .expires_at
        .map(crate::credential::rfc3339)
        .expect("an expiry");
    let of_runner = lines(&outcome).remove(0);
    assert!(
        of_runner.starts_with("identity: this is demo/ensure-pull-secret, in pod a-pod, until 20"),
        "{of_runner}"
    );
    // The token request is a permission, which is denied.
    assert_eq!(reasons(&outcome), [Reason::ApiForbidden]);
    assert_eq!(
        lines(&outcome)[1..],
        [
            "audiences: the API server's audiences are api (audiences of the admission policy)".to_owned(),
            "permission: may get secrets pull".to_owned(),
            "permission: may patch secrets pull".to_owned(),
            "permission: create secrets pull is not granted, and not needed while the Secret exists"
                .to_owned(),
            format!(
                "registry: {REGISTRY} is reached through PULL_SECRET_CONNECT_TO, its certificate is trusted, and it asks \
                 for a Kubernetes token, as OpenShift's does"
            ),
            format!(
                "secret: Secret pull holds a credential, bound to this Secret, until {until}: nothing to change"
            ),
            format!("image: {REGISTRY}/team/app:1: pull"),
            format!("kubelet: for {REGISTRY}/team/app:1 the kubelet tries the managed entry first"),
            "credential: no excess permissions found in this namespace".to_owned(),
        ]
    );
    let mut reviews = scene.cluster().reviews.clone();
    reviews.retain(|review| !review.contains("imagestreams"));
    assert_eq!(
        reviews,
        [
            "get  secrets  demo pull",
            "patch  secrets  demo pull",
            "create  secrets  demo pull",
            "create  serviceaccounts token demo model-puller",
        ]
    );
    scene.cluster().denies = &[];
    let outcome = scene.run(Mode::Doctor).await;
    assert_eq!(reasons(&outcome), vec![]);
    assert_has(
        &outcome,
        "!permission: demo/ensure-pull-secret may create secrets pull, which exists: ",
    );
    assert_has(
        &outcome,
        "permission: may create serviceaccounts/token model-puller, which exists",
    );
    let has_remedy = |line: &DoctorCheck| line.remedy.is_some() == line.warning;
    assert!(outcome.lines.iter().all(has_remedy), "each warning has a remedy");
    let paste = outcome
        .lines
        .iter()
        .find_map(|line| line.paste.clone())
        .expect("a Role");
    assert!(!paste.contains("\"create\", \"patch\""), "{paste}");
    assert!(paste.contains("resourceNames: [\"model-puller\"]"), "{paste}");
}

#[tokio::test(start_paused = true)]
async fn doctor_without_permission_to_read_does_not_read() {
    let scene = settled().await;
    scene.cluster().denies = &["get"];
    let outcome = scene.run(Mode::Doctor).await;
    assert!(reasons(&outcome).contains(&Reason::ApiForbidden));
    assert_has(&outcome, "permission: may create secrets pull");
    assert_has(&outcome, "secret: there is no Secret pull yet: ensure creates it");
}

#[tokio::test(start_paused = true)]
async fn doctor_names_the_caller_and_compares_the_clocks() {
    for (caller, line) in [
        (None, "!identity: the mounted token is not a service account's"),
        (
            Some("builder"),
            "identity: this is demo/builder, in pod a-pod, until ",
        ),
    ] {
        let run = async |operation: &mut commands::operation::Operation<'_>| commands::run(operation).await;
        let outcome = Scene::new().run_as(Mode::Doctor, caller, run).await;
        assert_has(&outcome, line);
    }
    for (ahead, line) in [
        (0, "clock: this machine's clock agrees with the API server's"),
        (55, "clock: this machine's clock agrees"),
        (3600, "!clock: this machine's clock is "),
        (-3600, "!clock: this machine's clock is "),
    ] {
        let scene = settled().await;
        scene.cluster().clock_ahead = Some(ahead);
        let outcome = scene.run(Mode::Doctor).await;
        assert_has(&outcome, line);
        let direction = if ahead > 0 { "behind" } else { "ahead of" };
        let has_direction = lines(&outcome)
            .iter()
            .any(|line| line.contains(&format!(" s {direction} the API")));
        assert_eq!(has_direction, ahead.abs() > 60, "{ahead}");
    }
}

#[tokio::test(start_paused = true)]
async fn doctor_describes_how_each_registry_authenticates() {
    type Script = fn(&mut Cluster);
    let cases: [(Script, Result<&str, Reason>); 6] = [
        (|_| {}, Ok("asks for user name and password")),
        (
            |all| all.challenge = |_| Some("Bearer realm=\"https://quay.io/v2/auth\""),
            Ok("asks for a token of its token service"),
        ),
        (
            |all| all.challenge = |_| Some("Digest realm=x"),
            Err(Reason::RegistryProtocol),
        ),
        (
            |all| all.challenge = |_| None,
            Ok("allows anonymous access: a credential may not be verifiable there"),
        ),
        (
            |all| all.down_for = Duration::from_secs(3),
            Ok("asks for user name and password"),
        ),
        (
            |all| all.down_for = Duration::from_secs(20),
            Err(Reason::RegistryUnavailable),
        ),
    ];
    for (script, expected) in cases {
        let scene = settled().await.with_quay();
        script(&mut scene.cluster());
        let outcome = scene.run(Mode::Doctor).await;
        let head = "quay.io is reached through PULL_SECRET_CONNECT_TO, its certificate is trusted, and it";
        match expected {
            Ok(text) => {
                let line = lines(&outcome).into_iter().find(|line| line.contains(head));
                let sign = if text.starts_with("allows") { "!" } else { "" };
                assert_eq!(line, Some(format!("{sign}registry: {head} {text}")));
            }
            Err(reason) => {
                let is_quays = |subject: &Option<String>| subject.as_deref() == Some("quay.io");
                let mut findings = outcome.findings.iter();
                assert!(
                    findings.any(|finding| finding.reason == reason && is_quays(&finding.subject)),
                    "{:?}",
                    outcome.findings
                );
                assert_eq!(outcome.verified, Verified::None);
            }
        }
    }
    let scene = settled().await.with("PULL_SECRET_VERIFY", "api");
    let outcome = scene.run(Mode::Doctor).await;
    assert_eq!(reasons(&outcome), vec![]);
    assert_has(&outcome, "registry: not contacted, because of PULL_SECRET_VERIFY");
    let scene = settled().await.with("PULL_SECRET_CONNECT_TO", "");
    let scene = scene.with("HTTPS_PROXY", "http://proxy.test:3128");
    let outcome = scene.run(Mode::Doctor).await;
    assert_has(
        &outcome,
        &format!("registry: {REGISTRY} is dialled through the proxy proxy.test:3128 (HTTPS_PROXY), "),
    );
    let scene = settled().await.with("PULL_SECRET_CONNECT_TO", "");
    let outcome = scene.run(Mode::Doctor).await;
    assert_eq!(reasons(&outcome), [Reason::RegistryUnavailable]);
    assert!(
        outcome.findings[0].cause.ends_with("can't be resolved"),
        "{}",
        outcome.findings[0].cause
    );
}

#[tokio::test(start_paused = true)]
async fn doctor_reports_which_entry_each_client_uses() {
    let token = jwt("good", DAY);
    let team = format!("{REGISTRY}/team");
    let doubled = document_for(&[(REGISTRY, &token), (&team, "robot")]);
    let outcome = Scene::with_document(&doubled).run(Mode::Doctor).await;
    assert_has(
        &outcome,
        &format!("!kubelet: for {REGISTRY}/team/app:1 the kubelet tries the unmanaged entry {team} first"),
    );
    assert_has(&outcome, "!skopeo: ");
    // As ensure would leave it.
    let outcome = Scene::with_document(&document_for(&[(&team, "robot")]))
        .run(Mode::Doctor)
        .await;
    assert_has(&outcome, "!kubelet: for ");
    let outcome = Scene::new().run(Mode::Doctor).await;
    assert_has(
        &outcome,
        &format!("kubelet: for {REGISTRY}/team/app:1 the kubelet tries the managed entry first"),
    );
    let invalid = document(&token).replacen("\"auths\":{", "\"auths\":{\"quay.io\":{\"auth\":\"!\"},", 1);
    let outcome = Scene::with_document(&invalid).run(Mode::Doctor).await;
    assert!(reasons(&outcome).contains(&Reason::UnmanagedEntryInvalid));
}

#[tokio::test(start_paused = true)]
async fn doctor_reports_an_image_that_openshift_pulls_by_itself() {
    for (image, is_own) in [
        (format!("{REGISTRY}/demo/app:1"), true),
        (format!("{REGISTRY}/team/app:1"), false),
        ("quay.io/demo/app:1".to_owned(), false),
    ] {
        let scene = settled().await.with_quay().with("PULL_SECRET_IMAGE", &image);
        let outcome = scene.run(Mode::Doctor).await;
        let line = format!("platform: OpenShift's own pull secret also pulls {image}, ");
        assert_eq!(
            lines(&outcome).iter().any(|found| found.starts_with(&line)),
            is_own,
            "{image}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn doctor_reports_excess_permissions_and_an_early_expiry() {
    let scene = settled().await.with("PULL_SECRET_NEXT_RUN_WITHIN", "2d");
    scene.cluster().rules = &["secrets"];
    let outcome = scene.run(Mode::Doctor).await;
    assert!(outcome.excess.is_some());
    assert_has(&outcome, "!credential: ");
    // It is due, since it does not last until the next run.
    assert_has(
        &outcome,
        "!secret: a new credential is due for Secret pull: the stored token expires too soon",
    );
    let robot = Scene::with_document(&document("robot")).with_token_file("robot");
    let scene = robot.with("PULL_SECRET_NEXT_RUN_WITHIN", "2d");
    assert_eq!(reasons(&scene.run(Mode::Doctor).await), vec![]);
}

#[tokio::test(start_paused = true)]
async fn doctor_without_a_source_reports_an_uncorrectable_secret() {
    for (stored, expected) in [
        (None, vec![Reason::PodBoundToken]),
        (Some(document("robot")), vec![Reason::PodBoundToken]),
        (
            Some("{".to_owned()),
            vec![Reason::PodBoundToken, Reason::DocumentUnreadable],
        ),
    ] {
        let bound = jwt_of(
            "model-puller",
            "id",
            DAY,
            &json!({"pod": {"name": "a-pod", "uid": "2"}}),
        );
        let scene = Scene::new().with_token_file(bound);
        if let Some(stored) = &stored {
            scene.cluster().store(stored);
        }
        assert_eq!(reasons(&scene.run(Mode::Doctor).await), expected, "{stored:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn doctor_ends_as_its_most_severe_check() {
    let pod = json!({"pod": {"name": "a-pod", "uid": "2"}});
    let bound = jwt_of("model-puller", "id", DAY, &pod);
    // Each has the findings of the one before it, and a more severe one that is listed later.
    for (stored, denies, expected) in [
        ("{}", &[][..], Reason::PodBoundToken),
        ("{", &[], Reason::DocumentUnreadable),
        ("{", &["patch"], Reason::ApiForbidden),
    ] {
        let scene = Scene::new().with_token_file(bound.clone());
        scene.cluster().store(stored);
        scene.cluster().denies = denies;
        let outcome = scene.run(Mode::Doctor).await;
        assert_eq!(reasons(&outcome).first(), Some(&Reason::PodBoundToken));
        let deciding = most_severe(&outcome.findings).map(|finding| finding.reason);
        assert_eq!(deciding, Some(expected), "{:?}", reasons(&outcome));
    }
}

#[tokio::test(start_paused = true)]
async fn doctor_reports_the_evidence_of_reached_registries_only() {
    let stored = document_for(&[(REGISTRY, "robot"), ("quay.io", "robot")]);
    let scene = Scene::with_document(&stored).with_quay().with_token_file("robot");
    scene.run(Mode::Ensure).await;
    scene.cluster().registry = |login: &Login<'_>| match login.host {
        "quay.io" if login.path.contains("/manifests/") => 404,
        _ => 200,
    };
    let outcome = scene.run(Mode::Doctor).await;
    assert_eq!(
        (reasons(&outcome), outcome.verified),
        (vec![Reason::RepositoryMissing], Verified::Login)
    );
    assert_eq!(
        lines(&outcome)
            .iter()
            .filter(|line| line.starts_with("image: "))
            .count(),
        1
    );
    scene.cluster().down_for = Duration::from_secs(3600);
    let outcome = scene.run(Mode::Doctor).await;
    assert_eq!(
        (reasons(&outcome), outcome.verified),
        (vec![Reason::RegistryUnavailable], Verified::None)
    );
    assert_eq!((outcome.registries.len(), outcome.images.len()), (1, 1));
}

#[test]
fn s11_audiences_are_shown_as_the_names_have_them() {
    let shown = |audiences: &[&str]| {
        let claims = Claims {
            audiences: audiences.iter().map(|&audience| audience.to_owned()).collect(),
            ..Claims::default()
        };
        super::audiences(&claims).map(|check| check.message)
    };
    assert_eq!(shown(&[]), None);
    for (audiences, list) in [
        (
            &["https://kubernetes.default.svc.cluster.local", "k3s"][..],
            "https://kubernetes.default.svc.cluster.local,k3s",
        ),
        (&["a\n- b", "sha256~c2VjcmV0"], "a_-_b,redacted"),
    ] {
        let expected = format!("the API server's audiences are {list} (audiences of the admission policy)");
        assert_eq!(shown(audiences), Some(expected));
    }
}
