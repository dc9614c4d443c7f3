//! How many requests and failed logins a registry gets, and what is remarked about it.

use super::*;
use crate::registry::Remark;

fn many() -> Vec<String> {
    (0..64)
        .map(|number| format!("team/app-{}:{number}", number % 16))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn o12_a_registry_gets_eight_requests_at_a_time_and_tokens_are_reused() {
    let names = many();
    let images: Vec<&str> = names.iter().map(String::as_str).collect();
    let scripted = Scripted::new(|seen| bearer(seen, strict, refused, repositories));
    let answers = scripted.ask("good", &images, false).await;
    assert_eq!(answers.images, vec![RegistryVerdict::Pulls; 64]);
    // One for /v2/, one for the login, one token for each repository, one HEAD for each image.
    assert_eq!(scripted.seen().len(), 2 + 16 + 64);
    assert_eq!(scripted.most.load(Ordering::Relaxed), 8);
    // In the same run, the same credential needs no other token at once.
    scripted.ask("good", &images, false).await;
    let tokens = scripted.seen().iter().filter(|seen| seen.is("scope=")).count();
    assert_eq!(tokens, 16);
    // Another credential gets its own.
    let answers = scripted.ask("wrong", &images, false).await;
    assert_eq!(answers.images, vec![RegistryVerdict::Rejected; 64]);
    let basic = Scripted::new(basic);
    let answers = basic.ask("good", &images, false).await;
    assert_eq!(answers.images, vec![RegistryVerdict::Pulls; 64]);
    assert_eq!(basic.most.load(Ordering::Relaxed), 8);
    assert_eq!(basic.seen().len(), 2 + 64);
}

/// User name and password with each request.
fn basic(seen: &Seen) -> Reply {
    match is_good(seen) {
        true if seen.is("/manifests/") => manifest(),
        true => json("{}"),
        false => challenge(401, "Basic realm=r"),
    }
}

#[tokio::test(start_paused = true)]
async fn o12_one_image_takes_three_requests_by_basic_and_four_by_bearer() {
    let bearer = |seen: &Seen| bearer(seen, strict, refused, repositories);
    for (registry, requests, at_a_time) in [(basic as fn(&Seen) -> Reply, 3, 1), (bearer, 4, 2)] {
        let scripted = Scripted::new(registry);
        let answers = scripted.ask("good", &["team/app:1"], false).await;
        assert_eq!(answers.images, [RegistryVerdict::Pulls]);
        let seen = scripted.seen();
        assert_eq!(seen.len(), requests, "{seen:#?}");
        assert_eq!(scripted.most.load(Ordering::Relaxed), at_a_time);
    }
}

#[tokio::test(start_paused = true)]
async fn r5_a_manifest_that_takes_long_is_waited_for() {
    let bearer = |seen: &Seen| bearer(seen, strict, refused, repositories);
    // A proxy cache that fetches the image first; TIMEOUT=2m gives registries a minute.
    let takes = |seen: &Seen| Duration::from_secs(if seen.is("/manifests/") { 20 } else { 1 });
    for registry in [basic as fn(&Seen) -> Reply, bearer] {
        let scripted = Scripted::slow(registry, takes);
        let images = ["team/app:1", "team/other:1"];
        let answers = scripted.ask("good", &images, false).await;
        assert_eq!(answers.images, vec![RegistryVerdict::Pulls; 2]);
        let asked = scripted.seen();
        let asked = asked.iter().filter(|seen| seen.is("/manifests/"));
        assert_eq!(asked.count(), 2, "no attempt is cut");
    }
}

#[tokio::test(start_paused = true)]
async fn o12_a_token_is_not_reused_after_half_of_its_shortest_lifetime() {
    let scripted = Scripted::new(|seen| bearer(seen, strict, refused, repositories));
    scripted.ask("good", &["team/app:1"], false).await;
    tokio::time::advance(Duration::from_secs(31)).await;
    scripted.ask("good", &["team/app:1"], false).await;
    let tokens = scripted.seen().iter().filter(|seen| seen.is("scope=")).count();
    assert_eq!(tokens, 2);
}

#[tokio::test(start_paused = true)]
async fn r18_a_credential_fails_to_log_in_twice_in_a_run() {
    let names = many();
    let images: Vec<&str> = names.iter().map(String::as_str).collect();
    type Registry = fn(&Seen) -> Reply;
    let registries: [(&str, Registry); 6] = [
        ("Basic", |seen| match is_good(seen) {
            true => json("{}"),
            false => challenge(401, "Basic realm=r"),
        }),
        ("Basic by 403", |seen| match seen.credentials.is_empty() {
            true => challenge(401, "Basic realm=r"),
            false => status(403),
        }),
        ("Bearer", |seen| bearer(seen, strict, refused, repositories)),
        ("Bearer by 403", |seen| {
            bearer(seen, |_| status(403), forbidden, repositories)
        }),
        ("Bearer that needs a scope", |seen| {
            bearer(seen, |_| status(400), refused, repositories)
        }),
        // `/v2/` is 200 whatever the password.
        ("asked at the repository", |seen| match seen.is("/manifests/") {
            true if is_good(seen) => manifest(),
            true => challenge(401, "Basic realm=r"),
            false => json("{}"),
        }),
    ];
    for (name, registry) in registries {
        let scripted = Scripted::new(registry);
        // As often as one run may ask: the stored one, the new one, another round.
        for _ in 0..3 {
            let answers = scripted.ask("wrong", &images, false).await;
            assert_eq!(answers.images, vec![RegistryVerdict::Rejected; 64], "{name}");
            tokio::time::advance(Duration::from_secs(15)).await;
        }
        let seen = scripted.seen();
        let is_refused = |seen: &Seen| match name {
            "Bearer that needs a scope" => seen.is("scope="),
            "asked at the repository" => seen.is("/manifests/"),
            _ => true,
        };
        assert_eq!(failed_logins(&seen, is_refused), 2, "{name} {seen:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn refused_login_is_asked_again_two_seconds_later_and_nothing_else() {
    type Registry = fn(&Seen) -> Reply;
    let registries: [(Registry, &str); 3] = [
        (basic, "/v2/"),
        (
            |seen| bearer(seen, strict, anonymous_token, repositories),
            "/token",
        ),
        (
            |seen| bearer(seen, |_| status(403), anonymous_token, repositories),
            "/token",
        ),
    ];
    for (registry, login) in registries {
        for push in [false, true] {
            let scripted = Scripted::new(registry);
            let started = Instant::now();
            let answers = scripted.ask("wrong", &["team/a:1", "team/b:1"], push).await;
            assert_eq!(answers.images, vec![RegistryVerdict::Rejected; 2]);
            let elapsed = started.elapsed();
            assert!((2_000..2_200).contains(&elapsed.as_millis()), "{elapsed:?}");
            let seen = scripted.seen();
            let last = seen.last().expect("a request");
            assert!(
                last.credentials == "team+robot:wrong" && last.is(login),
                "{seen:#?}"
            );
            // The first image is asked with the login.
            let sent: Vec<_> = seen.iter().filter(|seen| !seen.credentials.is_empty()).collect();
            assert!(
                sent.len() <= 4 && !sent.iter().any(|seen| seen.is("/team/b")),
                "{sent:#?}"
            );
            assert!(seen.iter().all(|seen| seen.method != Method::POST), "{seen:#?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn r18_a_repository_of_an_open_registry_refuses_for_itself_alone() {
    let names = many();
    let images: Vec<&str> = names.iter().map(String::as_str).collect();
    for (served, pulls, sent) in [("nothing", 0, 64), ("app-0:", 4, 64), ("app-2:", 4, 64)] {
        // As zot: a challenge comes with the 200, so that this is the login.
        let scripted = Scripted::new(move |seen| match seen.is("/manifests/") {
            true if is_good(seen) && seen.is(&served.replace(':', "/")) => manifest(),
            true => challenge(401, "Basic realm=zot"),
            false => challenge(200, "Basic realm=zot"),
        });
        let answers = scripted.ask("good", &images, false).await;
        let found = answers
            .images
            .iter()
            .filter(|verdict| **verdict == RegistryVerdict::Pulls);
        assert_eq!((answers.images.len(), found.count()), (64, pulls), "{served}");
        let asked = scripted.seen();
        let asked = asked
            .iter()
            .filter(|seen| is_good(seen) && seen.is("/manifests/"));
        assert_eq!(asked.count(), sent, "{served}");
    }
}

#[tokio::test(start_paused = true)]
async fn r18_a_refusal_that_passes_is_no_rejection_and_is_forgotten() {
    let registry = |first: usize| {
        let count = AtomicUsize::default();
        move |seen: &Seen| match seen.credentials.is_empty() {
            true => challenge(401, "Basic realm=r"),
            false if !seen.is("/manifests/") && count.fetch_add(1, Ordering::Relaxed) < first => status(401),
            false if seen.is("/manifests/") => manifest(),
            false => json("{}"),
        }
    };
    let scripted = Scripted::new(registry(1));
    for _ in 0..3 {
        let answers = scripted.ask("good", &["team/app:1"], false).await;
        assert_eq!(answers.images, [RegistryVerdict::Pulls]);
    }
}

#[tokio::test(start_paused = true)]
async fn r18_a_service_that_refuses_every_login_gives_tokens_to_the_end() {
    let names = many();
    let images: Vec<&str> = names.iter().map(String::as_str).collect();
    let scripted = Scripted::new(|seen| bearer(seen, |_| status(401), refused, repositories));
    for _ in 0..2 {
        let answers = scripted.ask("good", &images, false).await;
        assert_eq!(answers.images, vec![RegistryVerdict::Pulls; 64]);
    }
}

#[tokio::test(start_paused = true)]
async fn r18_a_permission_that_is_missing_is_no_failed_login() {
    // The token service refuses a scope with 403, as GHCR does, and accepts the login.
    let scripted = Scripted::new(|seen| match seen.is("scope=") {
        true => status(403),
        false => bearer(seen, strict, refused, repositories),
    });
    for _ in 0..3 {
        let answers = scripted
            .ask("good", &["team/a:1", "team/b:1", "team/c:1"], false)
            .await;
        assert_eq!(answers.images, vec![RegistryVerdict::PullForbidden; 3]);
    }
}

#[tokio::test(start_paused = true)]
async fn r18_credentials_with_one_user_name_take_turns() {
    let scripted = Scripted::new(|_| json("{}"));
    let host = RegistryHost::parse(HOST).expect("a registry");
    let same = RegistryHost::parse("registry.test:5000/team").expect("a registry");
    let turn = scripted.registries.turn(&host, "team+robot").await;
    let wait =
        |host, user| tokio::time::timeout(Duration::from_secs(1), scripted.registries.turn(host, user));
    assert!(wait(&same, "team+robot").await.is_err());
    assert!(wait(&same, "team+other").await.is_ok());
    let other = RegistryHost::parse("other.test").expect("a registry");
    assert!(wait(&other, "team+robot").await.is_ok());
    drop(turn);
    assert!(wait(&same, "team+robot").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn r2_a_manifest_by_get_alone_is_remarked() {
    let image = ImageReference::parse(&format!("{HOST}/team/app:1")).expect("an image");
    for (head, expected) in [
        (200, false),
        (204, false),
        (405, false),
        (400, true),
        (403, true),
        (404, true),
        (501, true),
    ] {
        let scripted = Scripted::new(move |seen| match (&seen.method, seen.is("/manifests/")) {
            (_, false) if seen.credentials.is_empty() => challenge(401, "Basic realm=r"),
            (&Method::HEAD, true) => status(head),
            (_, true) => manifest(),
            (_, false) => json("{}"),
        });
        let answers = scripted.ask("good", &["team/app:1"], false).await;
        assert_eq!(answers.images, [RegistryVerdict::Pulls], "{head}");
        let remarks: Vec<_> = expected
            .then(|| Remark::ManifestByGetAlone(image.clone()))
            .into_iter()
            .collect();
        assert_eq!(scripted.registries.remarks(), remarks, "{head}");
        scripted.ask("good", &["team/app:1"], false).await;
        assert_eq!(scripted.registries.remarks().len(), usize::from(expected));
    }
    let denied = Scripted::new(|seen| match seen.credentials.is_empty() {
        true => challenge(401, "Basic realm=r"),
        false if seen.is("/manifests/") => status(403),
        false => json("{}"),
    });
    denied.ask("good", &["team/app:1"], false).await;
    assert_eq!(denied.registries.remarks(), []);
}

#[tokio::test(start_paused = true)]
async fn r3_a_challenge_of_the_repository_alone_is_answered_and_remarked() {
    let version = || {
        let name = HeaderName::from_static("docker-distribution-api-version");
        (name, "registry/2.0".to_owned())
    };
    for (with_challenge, expected) in [(false, true), (true, false)] {
        for image in ["team/app:1", "public/app:1"] {
            let scripted = Scripted::new(move |seen| {
                let is_open = seen.is("/public/");
                let asks = (WWW_AUTHENTICATE, "Basic realm=\"r\"".to_owned());
                match seen.is("/manifests/") {
                    true if is_open || is_good(seen) => manifest(),
                    true => Reply(401, vec![asks], ""),
                    false if with_challenge => Reply(200, vec![version(), asks], ""),
                    false => Reply(200, vec![version()], ""),
                }
            });
            let answers = scripted.ask("good", &[image], false).await;
            let is_closed = image == "team/app:1";
            let verdict = if is_closed {
                RegistryVerdict::Pulls
            } else {
                anonymous()
            };
            assert_eq!(answers.images, [verdict]);
            let remarks: Vec<_> = (expected && is_closed)
                .then(|| RegistryHost::parse(HOST).expect("a registry"))
                .map(Remark::ChallengeOfRepositoryAlone)
                .into_iter()
                .collect();
            assert_eq!(scripted.registries.remarks(), remarks);
        }
    }
}
