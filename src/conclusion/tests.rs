//! What each proof means, row by row.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::StatusCode;
use secrecy::SecretString;

use super::*;
use crate::{
    registry_host::RegistryHost,
    token::{KnownSecrets, Token},
};

fn evidence(login: Option<Proof>, images: &[Proof]) -> Evidence {
    let image = ImageReference::parse("registry.test:5000/team/app:1").expect("an image");
    Evidence {
        registry: RegistryHost::parse("registry.test:5000").expect("a registry"),
        is_openshift: false,
        login,
        images: images
            .iter()
            .map(|proof| (image.clone(), proof.clone()))
            .collect(),
    }
}

fn unreachable(vouch: Vouch) -> Proof {
    Proof::Silent(Silence::Unreachable(Obstacle::Failed(Failure::TimedOut)), vouch)
}

fn concluded(mode: Mode, proof: Proof) -> Option<(Reason, u8)> {
    let mut outcome = Outcome::default();
    let credential = Credential::of("<token>", Token::new(SecretString::from("x")));
    conclude(&mut outcome, mode, &credential, &[evidence(None, &[proof])]);
    outcome
        .findings
        .first()
        .map(|finding| (finding.reason, finding.exit_code()))
}

#[test]
fn each_proof_has_the_reason_and_exit_code_of_the_contract() {
    let open = |vouch| Proof::Silent(Silence::Open, vouch);
    let untrusted = |vouch| Proof::Silent(Silence::Untrusted(Distrust::Certificate), vouch);
    let protocol = |vouch| Proof::Silent(Silence::Protocol(Obstacle::NoToken), vouch);
    let not_asked = |vouch| Proof::Silent(Silence::NotAsked, vouch);
    let cases = [
        (Proof::Pulls, None),
        (Proof::Accepted, None),
        (Proof::RepositoryMissing, Some((Reason::RepositoryMissing, 66))),
        (Proof::TagMissing, Some((Reason::TagMissing, 66))),
        (Proof::PullForbidden, Some((Reason::PullForbidden, 77))),
        (Proof::PushForbidden, Some((Reason::PullForbidden, 77))),
        (Proof::Rejected, Some((Reason::CredentialRejected, 67))),
        (
            unreachable(Vouch::Accepts),
            Some((Reason::RegistryUnavailable, 0)),
        ),
        (
            unreachable(Vouch::Nobody),
            Some((Reason::RegistryUnavailable, 75)),
        ),
        (
            unreachable(Vouch::Refuses),
            Some((Reason::CredentialRejected, 67)),
        ),
        (
            unreachable(Vouch::Unavailable),
            Some((Reason::ApiUnavailable, 75)),
        ),
        (open(Vouch::Accepts), Some((Reason::RegistryOpen, 0))),
        (open(Vouch::Nobody), Some((Reason::RegistryOpen, 0))),
        (open(Vouch::Refuses), Some((Reason::CredentialRejected, 67))),
        (untrusted(Vouch::Accepts), Some((Reason::RegistryUntrusted, 76))),
        (protocol(Vouch::Nobody), Some((Reason::RegistryProtocol, 76))),
        (not_asked(Vouch::Accepts), None),
        (not_asked(Vouch::Nobody), None),
        (not_asked(Vouch::Refuses), Some((Reason::CredentialRejected, 67))),
        (not_asked(Vouch::Unavailable), Some((Reason::ApiUnavailable, 75))),
    ];
    for (proof, expected) in cases {
        assert_eq!(concluded(Mode::Ensure, proof.clone()), expected, "{proof:?}");
    }
}

/// What is said of a realm on this host, while a Secret with this document is stored.
fn realm(host: &str, stored: &str) -> String {
    let mut outcome = Outcome::default();
    outcome.secrets.add_document(stored.as_bytes());
    let credential = Credential::of("robot", Token::new(SecretString::from("A-Password-Of-A-Robot")));
    let proof = Proof::Silent(
        Silence::Untrusted(Distrust::Realm(host.to_owned())),
        Vouch::Nobody,
    );
    conclude(
        &mut outcome,
        Mode::Ensure,
        &credential,
        &[evidence(None, &[proof])],
    );
    format!("{:?}", outcome.findings)
}

#[test]
fn s4_a_realm_that_is_named_by_a_secret_is_not_printed() {
    let stored = r#"{"auths":{"quay.io":{"username":"old","password":"an-older-password"}}}"#;
    assert!(realm("auth.evil.test", stored).contains("auth.evil.test"));
    for host in [
        "password-of-a-robot.evil.test",
        // base64 of user:password, lower case; hex and base32 of the password; base64 of the stored one.
        "cm9ib3q6qs1qyxnzd29yzc1pzi1blvjvym90.evil.test",
        "412d50617373776f72642d4f662d412d526f626f74.evil.test",
        "iewvaylton3w64te.fvhwmlkbfvjg6ytpoq.evil.test",
        "yw4tb2xkzxitcgfzc3dvcmq.evil.test",
        "an-older-password.evil.test",
    ] {
        let told = realm(host, stored);
        assert!(told.contains("RegistryUntrusted"), "{told}");
        assert!(!told.contains("evil"), "{told}");
    }
}

#[test]
fn verify_has_no_work_but_the_proof() {
    let expected = Some((Reason::RegistryUnavailable, 75));
    assert_eq!(concluded(Mode::Verify, unreachable(Vouch::Accepts)), expected);
}

#[test]
fn the_least_proof_counts_and_a_registry_without_images_need_only_accept() {
    let pulls = evidence(None, &[Proof::Pulls]);
    let accepted = evidence(Some(Proof::Accepted), &[]);
    let reviewed = evidence(Some(unreachable(Vouch::Accepts)), &[]);
    assert_eq!(least_verified(std::slice::from_ref(&accepted)), Verified::Login);
    assert_eq!(least_verified(&[pulls.clone(), accepted]), Verified::Pull);
    assert_eq!(least_verified(&[pulls, reviewed]), Verified::Review);
    assert_eq!(
        least_verified(&[evidence(None, &[Proof::Pulls, Proof::TagMissing])]),
        Verified::Login
    );
    assert_eq!(least_verified(&[]), Verified::None);
}

/// A service account's token of `demo/puller`.
fn puller() -> Credential {
    let part = |claims: &str| URL_SAFE_NO_PAD.encode(claims);
    let claims = r#"{"sub":"system:serviceaccount:demo:puller","kubernetes.io":{}}"#;
    let token = format!("{}.{}.c2ln", part("{}"), part(claims));
    Credential::of("<token>", Token::new(SecretString::from(token)))
}

fn robot() -> Credential {
    Credential::of("<token>", Token::new(SecretString::from("x")))
}

#[test]
fn why_a_registry_said_nothing_is_told_in_words() {
    let status = StatusCode::BAD_GATEWAY;
    for (obstacle, words) in [
        (Obstacle::Failed(Failure::NoConnection), "no connection"),
        (Obstacle::Failed(Failure::TimedOut), "no answer in time"),
        (
            Obstacle::Failed(Failure::Untrusted),
            "its certificate is not trusted",
        ),
        (
            Obstacle::Failed(Failure::NotTls),
            "it does not speak TLS as we do",
        ),
        (Obstacle::Failed(Failure::NotHttp), "it does not speak HTTP"),
        (Obstacle::Failed(Failure::TooLong), "its answer is too long"),
        (Obstacle::Status(status), "it answers 502"),
        (Obstacle::Refused, "it answers 401 to a good token"),
        (Obstacle::Challenge, "it asks for something unknown"),
        (Obstacle::NoToken, "its token service sends no token"),
        (
            Obstacle::OtherDigest,
            "it names another digest than the one asked for",
        ),
        (Obstacle::WebPage, "it answers with a web page"),
    ] {
        let cause = |silence| {
            let finding = silent(Mode::Verify, "quay.io", &silence, Vouch::Nobody);
            finding.map(|finding| finding.cause).unwrap_or_default()
        };
        assert_eq!(
            cause(Silence::Unreachable(obstacle)),
            format!("quay.io cannot be asked ({words})")
        );
        assert_eq!(
            cause(Silence::Protocol(obstacle)),
            format!("quay.io does not speak as a registry ({words})")
        );
    }
}

#[test]
fn who_may_not_pull_is_named_with_the_grant_where_openshift_has_one() {
    let image = |text| Some(ImageReference::parse(text).expect("an image"));
    let of_namespace = image("registry.test:5000/team/app:1");
    let ask = Some("Ask the registry's administrator to grant it.");
    let grant = Some("Grant its owner system:image-puller in that namespace.");
    for (credential, is_openshift, image, cause, remedy, pasted) in [
        (
            robot(),
            false,
            None,
            "the credential may not pull from registry.test:5000",
            ask,
            false,
        ),
        (
            puller(),
            false,
            of_namespace.clone(),
            "service account demo/puller may not pull from registry.test:5000/team/app",
            ask,
            false,
        ),
        (
            puller(),
            true,
            of_namespace.clone(),
            "service account demo/puller may not pull from namespace team",
            None,
            true,
        ),
        (
            puller(),
            true,
            image("registry.test:5000/app:1"),
            "service account demo/puller may not pull from namespace unknown",
            None,
            false,
        ),
        (
            puller(),
            true,
            None,
            "service account demo/puller may not pull from namespace unknown",
            grant,
            false,
        ),
        (
            robot(),
            true,
            of_namespace,
            "the credential may not pull from namespace team",
            grant,
            false,
        ),
    ] {
        let at = Evidence {
            is_openshift,
            ..evidence(None, &[])
        };
        let found = finding(
            Mode::Ensure,
            (&credential, &KnownSecrets::default()),
            &at,
            image.as_ref(),
            &Proof::PullForbidden,
        );
        let found = found.expect("a finding");
        assert_eq!((found.cause.as_str(), found.remedy.as_deref()), (cause, remedy));
        assert_eq!(found.paste.is_some(), pasted, "{cause}");
    }
}

#[test]
fn a_long_image_has_twice_the_room_of_other_names() {
    let repository = "a".repeat(200);
    let image = ImageReference::parse(&format!("registry.test:5000/{repository}:1")).expect("an image");
    let found = finding(
        Mode::Ensure,
        (&robot(), &KnownSecrets::default()),
        &evidence(None, &[]),
        Some(&image),
        &Proof::TagMissing,
    );
    let cause = found.expect("a finding").cause;
    let shown = cause
        .strip_prefix("registry.test:5000 accepts the credential, but ")
        .and_then(|rest| rest.strip_suffix(" is not there"));
    assert_eq!(shown.map(|shown| shown.chars().count()), Some(120), "{cause}");
}
