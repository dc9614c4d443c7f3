//! Make before break: may the new credential replace what is stored? (CONTRACT section 1, "What `ensure` writes")

use crate::{
    context::Context,
    credential::Credential,
    decision::{self, Permit},
    image_reference::ImageReference,
    registry_host::RegistryHost,
    verification::{Evidence, Proof, Vouch},
};

/// What may happen to what is stored for one registry.
enum Verdict<'a> {
    /// It is replaced.
    Replace,
    /// It stays.
    Keep,
    /// It is replaced unless it pulls what the new one may not.
    Ask(&'a Credential),
}

/// Nothing alive is replaced by something that does less. `evidence` is of the new credential, `alive` is what is stored
/// for each registry. The stored credential is asked about an image only where the new one was refused it.
pub async fn may_write(
    context: &Context<'_>,
    evidence: &[Evidence],
    alive: &[(RegistryHost, Credential)],
) -> bool {
    for at in evidence {
        let permitted = match verdict(at, alive) {
            Verdict::Replace => true,
            Verdict::Keep => false,
            Verdict::Ask(stored) => !pulls_what_was_refused(context, at, stored).await,
        };
        if !permitted {
            return false;
        }
    }
    true
}

fn verdict<'a>(at: &Evidence, alive: &'a [(RegistryHost, Credential)]) -> Verdict<'a> {
    let stored = alive
        .iter()
        .find(|(registry, _)| *registry == at.registry)
        .map(|(_, stored)| stored);
    match (
        at.proofs().map(decision::permit).max().unwrap_or(Permit::Yes),
        stored,
    ) {
        (Permit::No, _) | (Permit::UnlessAlive, Some(_)) => Verdict::Keep,
        (Permit::Yes, _) | (_, None) => Verdict::Replace,
        (Permit::UnlessStoredPulls, Some(stored)) => Verdict::Ask(stored),
    }
}

/// Whether the credential stored for this registry pulls an image that the new one may not. Asked only of the registry
/// that it is stored for; where nobody can tell, it may.
async fn pulls_what_was_refused(context: &Context<'_>, at: &Evidence, stored: &Credential) -> bool {
    if stored.is_kubernetes_token() && !context.config.may_receive_kubernetes_token(&at.registry) {
        return false;
    }
    let proven = context
        .verifier(&context.registries, stored)
        .prove(&[(&at.registry, refused(at))])
        .await;
    proven.iter().flat_map(Evidence::proofs).any(may_pull)
}

/// The images that the new credential may not pull.
fn refused(at: &Evidence) -> Vec<&ImageReference> {
    at.images
        .iter()
        .filter(|(_, proof)| decision::permit(proof) == Permit::UnlessStoredPulls)
        .map(|(image, _)| image)
        .collect()
}

fn may_pull(proof: &Proof) -> bool {
    match proof {
        Proof::Pulls => true,
        Proof::Silent(_, vouch) => *vouch != Vouch::Refuses,
        Proof::Accepted
        | Proof::RepositoryMissing
        | Proof::TagMissing
        | Proof::PullForbidden
        | Proof::PushForbidden
        | Proof::Rejected => false,
    }
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;
    use crate::{registry::Silence, token::Token};

    fn evidence(login: Option<Proof>, images: &[(&str, Proof)]) -> Evidence {
        let image = |text| ImageReference::parse(text).expect("an image");
        Evidence {
            registry: RegistryHost::parse("quay.io").expect("a registry"),
            is_openshift: false,
            login,
            images: images
                .iter()
                .map(|(text, proof)| (image(text), proof.clone()))
                .collect(),
        }
    }

    fn alive(registry: &str) -> Vec<(RegistryHost, Credential)> {
        let credential = Credential::of("robot", Token::new(SecretString::from("stored")));
        vec![(RegistryHost::parse(registry).expect("a registry"), credential)]
    }

    #[test]
    fn what_is_alive_for_the_registry_is_replaced_only_by_what_does_no_less() {
        let unproven = Proof::Silent(
            Silence::Protocol(crate::registry::Obstacle::NoToken),
            Vouch::Nobody,
        );
        let nothing = Vec::new;
        for (proof, by_nothing, by_another, alive_here) in [
            (Proof::Accepted, "replace", "replace", "replace"),
            (Proof::PullForbidden, "replace", "replace", "ask"),
            (unproven, "replace", "replace", "keep"),
            (Proof::Rejected, "keep", "keep", "keep"),
        ] {
            for (alive, expected) in [
                (nothing(), by_nothing),
                (alive("other.test"), by_another),
                (alive("quay.io"), alive_here),
            ] {
                let found = match verdict(&evidence(Some(proof.clone()), &[]), &alive) {
                    Verdict::Replace => "replace",
                    Verdict::Keep => "keep",
                    Verdict::Ask(stored) if *stored == alive[0].1 => "ask",
                    Verdict::Ask(_) => "ask about another",
                };
                assert_eq!(found, expected, "{proof:?} {}", alive.len());
            }
        }
    }

    #[test]
    fn the_strictest_proof_of_a_registry_decides_and_without_any_nothing_is_against_it() {
        let pulls_one = [("quay.io/a", Proof::Pulls), ("quay.io/b", Proof::Rejected)];
        let stored = alive("quay.io");
        assert!(matches!(
            verdict(&evidence(None, &pulls_one), &stored),
            Verdict::Keep
        ));
        assert!(matches!(verdict(&evidence(None, &[]), &stored), Verdict::Replace));
    }

    #[test]
    fn the_stored_one_is_asked_about_what_the_new_one_was_refused_and_nothing_else() {
        let at = evidence(
            None,
            &[
                ("quay.io/pulled", Proof::Pulls),
                ("quay.io/refused", Proof::PullForbidden),
                ("quay.io/missing", Proof::TagMissing),
                ("quay.io/not-pushed", Proof::PushForbidden),
            ],
        );
        let refused: Vec<_> = refused(&at).into_iter().map(ImageReference::name).collect();
        assert_eq!(refused, ["quay.io/refused", "quay.io/not-pushed"]);
    }

    #[test]
    fn where_nobody_can_tell_the_stored_one_may_pull() {
        let silent = |vouch| Proof::Silent(Silence::NotAsked, vouch);
        for (proof, expected) in [
            (Proof::Pulls, true),
            (silent(Vouch::Accepts), true),
            (silent(Vouch::Unavailable), true),
            (silent(Vouch::Nobody), true),
            (silent(Vouch::Refuses), false),
            (Proof::Accepted, false),
            (Proof::RepositoryMissing, false),
            (Proof::TagMissing, false),
            (Proof::PullForbidden, false),
            (Proof::PushForbidden, false),
            (Proof::Rejected, false),
        ] {
            assert_eq!(may_pull(&proof), expected, "{proof:?}");
        }
    }
}
