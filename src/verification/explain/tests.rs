//! What each proof means, row by row.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::StatusCode;
use secrecy::SecretString;

use super::*;
use crate::{
    credential::{KnownSecrets, Token},
    image::RegistryHost,
    transport::CertificateFailure,
};

fn evidence(login: Option<Proof>, images: &[Proof]) -> Evidence {
    let image = ImageReference::parse("registry.test:5000/team/app:1").expect("an image");
    Evidence {
        registry: RegistryHost::parse("registry.test:5000").expect("a registry"),
        uses_rbac: false,
        login,
        images: images
            .iter()
            .map(|proof| (image.clone(), proof.clone()))
            .collect(),
    }
}

fn unreachable(review: TokenReview) -> Proof {
    Proof::Inconclusive(
        Inconclusive::Unreachable(ProtocolError::Failed(Failure::TimedOut)),
        review,
    )
}

fn concluded(mode: Mode, proof: Proof) -> Option<(Reason, u8)> {
    let found = explained(mode, &robot(), &[evidence(None, &[proof])]).findings;
    found.first().map(|finding| (finding.reason, finding.exit_code()))
}

fn explained(mode: Mode, credential: &Credential, evidence: &[Evidence]) -> Explained {
    let explainer = Explainer {
        mode,
        credential,
        secrets: &KnownSecrets::default(),
    };
    explainer.explain(evidence)
}

#[test]
fn each_proof_has_the_reason_and_exit_code_of_the_contract() {
    let open = |review| Proof::Inconclusive(Inconclusive::Anonymous, review);
    let untrusted = |review| {
        let (host, failure) = ("registry.test:5000".to_owned(), CertificateFailure::UnknownCa);
        Proof::Inconclusive(
            Inconclusive::Untrusted(UntrustedParty::Certificate {
                host,
                failure,
                proxy: None,
            }),
            review,
        )
    };
    let protocol = |review| Proof::Inconclusive(Inconclusive::Protocol(ProtocolError::NoToken), review);
    let not_asked = |review| Proof::Inconclusive(Inconclusive::NotAsked, review);
    let cases = [
        (Proof::Pulls, None),
        (Proof::Accepted, None),
        (Proof::RepositoryMissing, Some((Reason::RepositoryMissing, 66))),
        (Proof::TagMissing, Some((Reason::TagMissing, 66))),
        (Proof::PullForbidden, Some((Reason::PullForbidden, 77))),
        (Proof::PushForbidden, Some((Reason::PullForbidden, 77))),
        (Proof::Rejected, Some((Reason::CredentialRejected, 67))),
        (
            unreachable(TokenReview::Valid),
            Some((Reason::RegistryUnavailable, 0)),
        ),
        (
            unreachable(TokenReview::NotApplicable),
            Some((Reason::RegistryUnavailable, 75)),
        ),
        (
            unreachable(TokenReview::Invalid),
            Some((Reason::CredentialRejected, 67)),
        ),
        (
            unreachable(TokenReview::Unavailable),
            Some((Reason::ApiUnavailable, 75)),
        ),
        (open(TokenReview::Valid), Some((Reason::RegistryAnonymous, 0))),
        (
            open(TokenReview::NotApplicable),
            Some((Reason::RegistryAnonymous, 0)),
        ),
        (open(TokenReview::Invalid), Some((Reason::CredentialRejected, 67))),
        (
            untrusted(TokenReview::Valid),
            Some((Reason::RegistryUntrusted, 76)),
        ),
        (
            protocol(TokenReview::NotApplicable),
            Some((Reason::RegistryProtocol, 76)),
        ),
        (not_asked(TokenReview::Valid), Some((Reason::NotVerified, 0))),
        (
            not_asked(TokenReview::NotApplicable),
            Some((Reason::NotVerified, 0)),
        ),
        (
            not_asked(TokenReview::Invalid),
            Some((Reason::CredentialRejected, 67)),
        ),
        (
            not_asked(TokenReview::Unavailable),
            Some((Reason::ApiUnavailable, 75)),
        ),
    ];
    for (proof, expected) in cases {
        assert_eq!(concluded(Mode::Ensure, proof.clone()), expected, "{proof:?}");
    }
}

#[test]
fn p5_a_review_is_enough_at_openshifts_registry_alone() {
    for (review, uses_rbac, expected) in [
        (TokenReview::Valid, true, None),
        (TokenReview::Valid, false, Some(Reason::NotVerified)),
        (TokenReview::NotApplicable, true, Some(Reason::NotVerified)),
        (TokenReview::NotApplicable, false, Some(Reason::NotVerified)),
    ] {
        for mode in [Mode::Ensure, Mode::Verify, Mode::Plan] {
            let at = Evidence {
                uses_rbac,
                ..evidence(Some(Proof::Inconclusive(Inconclusive::NotAsked, review)), &[])
            };
            let found = explained(mode, &robot(), &[at]).findings;
            let found = found.first().map(|finding| (finding.reason, finding.exit_code()));
            assert_eq!(
                found,
                expected.map(|reason| (reason, 0)),
                "{review:?} {uses_rbac}"
            );
        }
    }
}

#[test]
fn push_that_is_not_shown_is_verified_as_a_login_at_most() {
    assert_eq!(verified(&Proof::PushForbidden), Verified::Login);
}

/// Findings for a token service on this host, while a Secret with this document is stored.
fn realm(host: &str, stored: &str) -> String {
    let credential = Credential::of("robot", Token::new(SecretString::from("A-Password-Of-A-Robot")));
    let secrets = KnownSecrets::default();
    secrets.add_document(stored.as_bytes(), crate::dockerconfig::stored_secrets);
    credential.add_to(&secrets);
    let proof = Proof::Inconclusive(
        Inconclusive::Untrusted(UntrustedParty::Realm(host.to_owned())),
        TokenReview::NotApplicable,
    );
    let explainer = Explainer {
        mode: Mode::Ensure,
        credential: &credential,
        secrets: &secrets,
    };
    format!("{:?}", explainer.explain(&[evidence(None, &[proof])]).findings)
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
    assert_eq!(concluded(Mode::Verify, unreachable(TokenReview::Valid)), expected);
}

#[test]
fn the_least_proof_counts_and_a_registry_without_images_need_only_accept() {
    let pulls = evidence(None, &[Proof::Pulls]);
    let accepted = evidence(Some(Proof::Accepted), &[]);
    let reviewed = evidence(Some(unreachable(TokenReview::Valid)), &[]);
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
fn v9_rejected_password_with_the_default_user_name_names_its_variable() {
    let remedy = |username: &str, password: &str| {
        let credential = Credential::of(username, Token::new(SecretString::from(password)));
        let rejected = [evidence(None, &[Proof::Rejected])];
        let found = explained(Mode::Ensure, &credential, &rejected).findings;
        found[0].remedy().to_owned()
    };
    let named = "The user name is the default <token>: set PULL_SECRET_USERNAME to ";
    assert!(remedy("<token>", "x").starts_with(named));
    // A JWT of another issuer is an ordinary password.
    assert!(remedy("<token>", "eyJ9.e30.c2ln").starts_with(named));
    assert!(!remedy("team+robot", "x").contains("PULL_SECRET_USERNAME"));
    assert!(!remedy("<token>", "sha256~AbCd").contains("PULL_SECRET_USERNAME"));
}

#[test]
fn why_a_registry_said_nothing_is_told_in_words() {
    let status = StatusCode::BAD_GATEWAY;
    for (error, words) in [
        (ProtocolError::Failed(Failure::NoConnection), "no connection"),
        (ProtocolError::Failed(Failure::TimedOut), "no answer in time"),
        (
            ProtocolError::Failed(Failure::Lookup),
            "its name can't be resolved",
        ),
        (ProtocolError::Failed(Failure::Refused), "connection refused"),
        (ProtocolError::Failed(Failure::Reset), "connection reset"),
        (ProtocolError::Failed(Failure::NoRoute), "no route to its address"),
        (ProtocolError::Failed(Failure::Tls), "TLS failed"),
        (
            ProtocolError::Failed(Failure::Handshake),
            "TLS handshake failed (no common version, cipher suite or key type)",
        ),
        (
            ProtocolError::Failed(Failure::ClientCertificate),
            "TLS handshake failed (it requires a client certificate)",
        ),
        (ProtocolError::Failed(Failure::NotTls), "it does not speak TLS"),
        (ProtocolError::Failed(Failure::NotHttp), "it does not speak HTTP"),
        (ProtocolError::Failed(Failure::TooLong), "its answer is too long"),
        (ProtocolError::Status(status), "it answers 502"),
        (ProtocolError::Refused, "it answers 401 to a good token"),
        (
            ProtocolError::Challenge,
            "unsupported authentication challenge: neither Basic nor Bearer",
        ),
        (ProtocolError::NoToken, "its token service sends no token"),
        (
            ProtocolError::PlainTokenService("http://auth.test".to_owned()),
            "its token service is http://auth.test",
        ),
        (
            ProtocolError::Redirects("cdn.test".to_owned()),
            "it redirects to cdn.test",
        ),
        (ProtocolError::RedirectsTooOften, "it redirects again and again"),
        (
            ProtocolError::TokenServiceRedirects("auth.test:5000".to_owned()),
            "its token service redirects to auth.test:5000",
        ),
        (
            ProtocolError::LoginNotAnswered,
            "its token service does not answer a login",
        ),
        (
            ProtocolError::OtherDigest,
            "it sends another digest than the one asked for",
        ),
        (ProtocolError::NotARegistry, "it answers 200 with something else"),
        (ProtocolError::NotAManifest, "it answers 200 without a manifest"),
    ] {
        let secrets = KnownSecrets::default();
        let cause = |answer| {
            let review = TokenReview::NotApplicable;
            inconclusive(Mode::Verify, "quay.io", &answer, review, &secrets).cause
        };
        assert_eq!(
            cause(Inconclusive::Unreachable(error.clone())),
            format!("quay.io cannot be asked ({words})")
        );
        assert_eq!(
            cause(Inconclusive::Protocol(error)),
            format!("quay.io does not answer as a container registry ({words})")
        );
    }
}

#[test]
fn who_may_not_pull_is_named_with_the_grant_where_openshift_has_one() {
    let image = |text| Some(ImageReference::parse(text).expect("an image"));
    let of_namespace = image("registry.test:5000/team/app:1");
    let ask = Some("Ask the registry's administrator to grant it.");
    let grant = Some("Grant its owner system:image-puller in that namespace.");
    for (credential, uses_rbac, image, cause, remedy, pasted) in [
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
            grant,
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
            uses_rbac,
            ..evidence(None, &[])
        };
        let found = forbidden(&credential, &at, image.as_ref(), false);
        assert_eq!((found.cause.as_str(), found.remedy.as_deref()), (cause, remedy));
        assert_eq!(found.paste.is_some(), pasted, "{cause}");
    }
}

/// A line end in a claim was a second subject of the YAML to paste.
#[test]
fn s5_claims_that_are_no_names_give_no_yaml() {
    let line = "a\n- kind: Group\n  name: system:authenticated";
    for (namespace, name) in [("demo", line), (line, "puller"), ("demo", ""), ("Demo", "puller")] {
        let part = |json: serde_json::Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let claims = serde_json::json!({ "kubernetes.io": {
            "namespace": namespace, "serviceaccount": { "name": name, "uid": "u" },
        } });
        let token = format!("{}.{}.c2ln", part(serde_json::json!({})), part(claims));
        let credential = Credential::of("<token>", Token::new(token.into()));
        let at = Evidence {
            uses_rbac: true,
            ..evidence(None, &[])
        };
        let image = ImageReference::parse("registry.test:5000/team/app:1").expect("an image");
        for push in [false, true] {
            let found = forbidden(&credential, &at, Some(&image), push);
            assert_eq!(found.paste, None, "{namespace:?} {name:?}");
            assert!(
                found.remedy().starts_with("Grant its owner"),
                "{}",
                found.remedy()
            );
            assert!(!found.cause.contains('\n'), "{}", found.cause);
        }
    }
}

#[test]
fn a_long_image_has_twice_the_room_of_other_names() {
    let repository = "a".repeat(200);
    let image = ImageReference::parse(&format!("registry.test:5000/{repository}:1")).expect("an image");
    let mut at = evidence(None, &[]);
    at.images = vec![(image, Proof::TagMissing)];
    let cause = &explained(Mode::Ensure, &robot(), &[at]).findings[0].cause;
    let shown = cause
        .strip_prefix("registry.test:5000 accepts the credential, but ")
        .and_then(|rest| rest.strip_suffix(" is not there"));
    assert_eq!(shown.map(|shown| shown.chars().count()), Some(120), "{cause}");
}
