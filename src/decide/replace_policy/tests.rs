//! Every cell of the table "What `ensure` writes" (CONTRACT section 1).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::StatusCode;
use secrecy::SecretString;

use super::*;
use crate::{
    credential::Token,
    registry::{ProtocolError, UntrustedParty},
    transport::{CertificateFailure, Failure},
};

fn robot(password: &str) -> Credential {
    Credential::of("team+robot", Token::new(SecretString::from(password)))
}

fn kubernetes() -> Credential {
    let part = |claims: &str| URL_SAFE_NO_PAD.encode(claims);
    let claims = r#"{"sub":"system:serviceaccount:demo:puller","kubernetes.io":{}}"#;
    let token = format!("{}.{}.c2ln", part("{}"), part(claims));
    Credential::of("<token>", Token::new(SecretString::from(token)))
}

fn inconclusive() -> [Inconclusive; 5] {
    [
        Inconclusive::Unreachable(ProtocolError::Failed(Failure::TimedOut)),
        Inconclusive::Unreachable(ProtocolError::Status(StatusCode::BAD_GATEWAY)),
        Inconclusive::Untrusted(UntrustedParty::Certificate {
            host: "quay.io".to_owned(),
            failure: CertificateFailure::UnknownCa,
            proxy: None,
        }),
        Inconclusive::Untrusted(UntrustedParty::Realm("auth.test".to_owned())),
        Inconclusive::Protocol(ProtocolError::LoginNotAnswered),
    ]
}

/// The decisions where nothing usable, a robot's credential, or a Kubernetes token is stored.
fn decisions(proof: &Proof) -> [ReplaceDecision; 3] {
    let policy = ReplacePolicy::for_proof(proof);
    [None, Some(robot("stored")), Some(kubernetes())]
        .map(|stored| policy.decide(&robot("new"), stored.as_ref()))
}

#[test]
fn p5_each_cell_of_the_table_decides_as_the_contract() {
    use ReplaceDecision::{AskStored, Keep, KeepUsable, Replace};
    for proof in [Proof::Pulls, Proof::Accepted] {
        assert_eq!(decisions(&proof), [Replace; 3], "{proof:?}");
    }
    for proof in [
        Proof::RepositoryMissing,
        Proof::TagMissing,
        Proof::PullForbidden,
        Proof::PushForbidden,
    ] {
        assert_eq!(decisions(&proof), [Replace, AskStored, AskStored], "{proof:?}");
    }
    assert_eq!(decisions(&Proof::Rejected), [Keep; 3]);
    for answer in inconclusive() {
        let with = |review| decisions(&Proof::Inconclusive(answer.clone(), review));
        assert_eq!(
            with(TokenReview::Valid),
            [Replace, KeepUsable, Replace],
            "{answer:?}"
        );
        assert_eq!(
            with(TokenReview::NotApplicable),
            [Replace, KeepUsable, KeepUsable],
            "{answer:?}"
        );
    }
    for answer in [Inconclusive::Anonymous, Inconclusive::NotAsked] {
        let with = |review| decisions(&Proof::Inconclusive(answer.clone(), review));
        assert_eq!(with(TokenReview::Valid), [Replace; 3], "{answer:?}");
        assert_eq!(with(TokenReview::NotApplicable), [Replace; 3], "{answer:?}");
    }
    let all = inconclusive()
        .into_iter()
        .chain([Inconclusive::Anonymous, Inconclusive::NotAsked]);
    for answer in all {
        for review in [TokenReview::Invalid, TokenReview::Unavailable] {
            let proof = Proof::Inconclusive(answer.clone(), review);
            assert_eq!(decisions(&proof), [Keep; 3], "{proof:?}");
        }
    }
}

#[test]
fn p4_the_stored_credential_itself_may_be_added_elsewhere() {
    let stored = robot("stored");
    for answer in inconclusive() {
        let proof = Proof::Inconclusive(answer, TokenReview::NotApplicable);
        let decided = ReplacePolicy::for_proof(&proof).decide(&stored.clone(), Some(&stored));
        assert_eq!(decided, ReplaceDecision::Replace, "{proof:?}");
    }
    let rejected = ReplacePolicy::for_proof(&Proof::Rejected).decide(&stored.clone(), Some(&stored));
    assert_eq!(rejected, ReplaceDecision::Keep);
    let mut renamed = stored.clone();
    renamed.username = "other+robot".to_owned();
    let proof = Proof::Inconclusive(inconclusive()[0].clone(), TokenReview::NotApplicable);
    let decided = ReplacePolicy::for_proof(&proof).decide(&renamed, Some(&stored));
    assert_eq!(decided, ReplaceDecision::KeepUsable);
}

#[test]
fn the_most_conservative_of_several_decisions_wins() {
    let mut all = [
        ReplaceDecision::Keep,
        ReplaceDecision::AskStored,
        ReplaceDecision::Replace,
        ReplaceDecision::KeepUsable,
    ];
    all.sort();
    assert_eq!(
        all,
        [
            ReplaceDecision::Replace,
            ReplaceDecision::AskStored,
            ReplaceDecision::KeepUsable,
            ReplaceDecision::Keep,
        ]
    );
}

#[test]
fn p3_the_stored_one_is_asked_where_the_new_one_fails_with_an_image() {
    let image = |text| ImageReference::parse(text).expect("an image");
    let at = Evidence {
        registry: RegistryHost::parse("quay.io").expect("a registry"),
        uses_rbac: false,
        login: None,
        images: vec![
            (image("quay.io/pulled"), Proof::Pulls),
            (image("quay.io/refused"), Proof::PullForbidden),
            (image("quay.io/hidden"), Proof::RepositoryMissing),
            (image("quay.io/no-tag"), Proof::TagMissing),
            (image("quay.io/not-pushed"), Proof::PushForbidden),
        ],
    };
    let asked = images_to_ask(&at, &robot("new"), &robot("stored"));
    let names: Vec<_> = asked.into_iter().map(ImageReference::name).collect();
    assert_eq!(
        names,
        [
            "quay.io/refused",
            "quay.io/hidden",
            "quay.io/no-tag",
            "quay.io/not-pushed"
        ]
    );
    assert!(images_to_ask(&at, &robot("same"), &robot("same")).is_empty());
}

#[test]
fn p3_the_stored_one_does_more_where_it_pulls_or_cannot_be_judged() {
    let not_asked = |review| Proof::Inconclusive(Inconclusive::NotAsked, review);
    for (stored, new, expected) in [
        (Proof::Pulls, Proof::RepositoryMissing, true),
        (Proof::Pulls, Proof::TagMissing, true),
        (Proof::Pulls, Proof::PullForbidden, true),
        (Proof::Pulls, Proof::PushForbidden, true),
        (Proof::PushForbidden, Proof::PullForbidden, true),
        (Proof::PushForbidden, Proof::TagMissing, true),
        (Proof::PushForbidden, Proof::PushForbidden, false),
        (Proof::PullForbidden, Proof::PushForbidden, false),
        (Proof::RepositoryMissing, Proof::RepositoryMissing, false),
        (Proof::TagMissing, Proof::RepositoryMissing, false),
        (Proof::Accepted, Proof::PullForbidden, false),
        (Proof::Rejected, Proof::PullForbidden, false),
        (not_asked(TokenReview::Valid), Proof::PullForbidden, true),
        (not_asked(TokenReview::Unavailable), Proof::PullForbidden, true),
        (not_asked(TokenReview::NotApplicable), Proof::PullForbidden, true),
        (not_asked(TokenReview::Invalid), Proof::PullForbidden, false),
    ] {
        assert_eq!(does_more(&stored, &new), expected, "{stored:?} {new:?}");
    }
}
